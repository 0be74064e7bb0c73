"""An Equilibrium-Propagation step in JAX, as a competent user of the authors' stack (JAX, diffrax) would write it.

All functions work on the free sites, with the clamped ones folded into fields. A *form* says how the force is summed, a
*way* finds an equilibrium of one sample, a *method* those of the batch, free and nudged. A way ends where max|force| <
STOP; what did not get there goes another way, and what never did is counted by the caller, with an independent force.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

STOP = 1e-6  # max |force| of an equilibrium
SWITCH = 1e-3  # residual below which Newton may take over from the flow: earlier it changes the equilibrium
SHIFT = 3.0  # Newton is damped by SHIFT max |force|: undamped it diverges in some samples even after a small move
FORMS = ("dense", "gather", "edges")


class Problem:
    """Index tables of one workload, made once with numpy, and the compiled pieces that do not depend on the method."""

    def __init__(self, data):
        self.data = data
        self.sites = data["field_x"].shape[1]
        self.batch = len(data["clamps"])
        i, j = data["edges"].T.astype(int)
        self.i, self.j = i, j
        inputs = data["inputs"].astype(int)
        self.inputs = inputs
        self.free = np.setdiff1d(np.arange(self.sites), inputs)
        count = len(self.free)
        free = np.full(self.sites, -1)
        free[self.free] = np.arange(count)
        clamped = np.full(self.sites, -1)
        clamped[inputs] = np.arange(len(inputs))
        self.outputs = free[data["outputs"].astype(int)]
        inner = (free[i] >= 0) & (free[j] >= 0)
        border = (free[i] >= 0) ^ (free[j] >= 0)
        self.inner, self.border = np.nonzero(inner)[0], np.nonzero(border)[0]
        self.inner_i, self.inner_j = free[i[inner]], free[j[inner]]
        self.border_free = np.maximum(free[i], free[j])[border]
        self.border_clamped = np.maximum(clamped[i], clamped[j])[border]
        # Both directions of every inner coupling, sorted by the receiving site.
        to = np.concatenate([self.inner_i, self.inner_j])
        source = np.concatenate([self.inner_j, self.inner_i])
        which = np.concatenate([self.inner, self.inner])
        order = np.lexsort((source, to))
        self.to, self.source, self.which = to[order], source[order], which[order]
        # Neighbour table, padded with a coupling of zero.
        degree = np.bincount(to, minlength=count)
        self.table = np.zeros((count, degree.max()), int)
        self.table_coupling = np.full((count, degree.max()), len(i))
        column = np.arange(len(to)) - np.concatenate([[0], np.cumsum(degree)])[self.to]
        self.table[self.to, column] = self.source
        self.table_coupling[self.to, column] = self.which

    def folded(self, couplings, field_x, field_y, clamps):
        """Fields of the free sites with the couplings to clamped sites in them, [batch, free sites] each."""
        shape = (len(self.free), len(self.inputs))
        weights = jnp.zeros(shape).at[self.border_free, self.border_clamped].add(couplings[self.border])
        return field_x[self.free] + jnp.cos(clamps) @ weights.T, field_y[self.free] + jnp.sin(clamps) @ weights.T

    def prepared(self, form, couplings):
        """Couplings among free sites in the layout of a form."""
        if form == "dense":
            count = len(self.free)
            inner = couplings[self.inner]
            matrix = jnp.zeros((count, count)).at[self.inner_i, self.inner_j].add(inner)
            return matrix.at[self.inner_j, self.inner_i].add(inner)
        if form == "gather":
            return jnp.append(couplings, 0.0)[self.table_coupling]
        return couplings[self.which]

    def force(self, form):
        """-dE/dphi of one sample: cos(phi) (W sin phi + b_y) - sin(phi) (W cos phi + b_x)."""
        product = self.product(form)

        def force(phi, weights, field_x, field_y):
            sin, cos = jnp.sin(phi), jnp.cos(phi)
            of_sin, of_cos = product(weights, jnp.stack([sin, cos]))
            return cos * (of_sin + field_y) - sin * (of_cos + field_x)

        return force

    def product(self, form):
        """W v for two vectors [2, free sites] of one sample at once: the couplings are read once for both."""
        if form == "dense":
            return lambda weights, v: v @ weights
        if form == "gather":
            return lambda weights, v: (weights * v[:, self.table]).sum(-1)
        count = len(self.free)
        one = lambda terms: jax.ops.segment_sum(terms, self.to, count, indices_are_sorted=True)
        return lambda weights, v: jax.vmap(one)(weights * v[:, self.source])


def residual(force):
    """max |force|, +inf if anything is not finite."""
    largest = jnp.max(jnp.abs(force))
    return jnp.where(jnp.isfinite(largest), largest, jnp.inf)


# Ways to an equilibrium of one sample: functions of (phi, weights, field_x, field_y).


def flow(problem, form, rtol, atol, stop, max_steps=20_000, time=jnp.inf):
    """The gradient flow by diffrax: Tsit5, PID step control, ended by the steady state."""
    force = problem.force(form)
    term = diffrax.ODETerm(lambda t, phi, args: force(phi, *args))
    event = diffrax.Event(lambda t, phi, args, **_: residual(force(phi, *args)) < stop) if stop > 0 else None

    def one(phi, weights, field_x, field_y):
        solution = diffrax.diffeqsolve(
            term,
            diffrax.Tsit5(),
            0.0,
            time,
            0.1,
            phi,
            args=(weights, field_x, field_y),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            saveat=diffrax.SaveAt(t1=True),
            event=event,
            max_steps=max_steps,
            throw=False,
        )
        return solution.ys[0]

    return one


def iterated(force, move, most):
    """phi + move(phi, force, …) until max|force| < STOP, at most `most` times."""

    def one(phi, weights, field_x, field_y):
        arguments = (weights, field_x, field_y)

        def step(state):
            phi, f, count = state
            phi = phi + move(phi, f, *arguments)
            return phi, force(phi, *arguments), count + 1

        def going(state):
            r = residual(state[1])
            return (r >= STOP) & jnp.isfinite(r) & (state[2] < most)

        return jax.lax.while_loop(going, step, (phi, force(phi, *arguments), 0))[0]

    return one


def hessian(phi, matrix, field_x, field_y):
    """d2E/dphi2, dense."""
    sin, cos = jnp.sin(phi), jnp.cos(phi)
    diagonal = cos * (matrix @ cos + field_x) + sin * (matrix @ sin + field_y)
    return jnp.diag(diagonal) - matrix * (cos[:, None] * cos + sin[:, None] * sin)


def newton(problem, shift, most=15):
    """Newton by Cholesky on H + shift max|force| I (shift 0: plain)."""

    def move(phi, f, matrix, field_x, field_y):
        damped = hessian(phi, matrix, field_x, field_y) + shift * residual(f) * jnp.eye(len(phi))
        return jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(damped), True), f)

    return iterated(problem.force("dense"), move, most)


def newton_cg(problem, form, shift, most=15):
    """Matrix-free Newton: the same damped equations by conjugate gradients with the diagonal as preconditioner."""
    product = problem.product(form)

    def move(phi, f, weights, field_x, field_y):
        sin, cos = jnp.sin(phi), jnp.cos(phi)
        of_sin, of_cos = product(weights, jnp.stack([sin, cos]))
        size = residual(f)
        diagonal = cos * (of_cos + field_x) + sin * (of_sin + field_y) + shift * size

        def times(v):
            of_sin, of_cos = product(weights, jnp.stack([sin * v, cos * v]))
            return diagonal * v - cos * of_cos - sin * of_sin

        scale = jnp.maximum(jnp.abs(diagonal), 1e-3)
        accuracy = jnp.clip(size, 1e-4, 0.1)
        move, _ = jax.scipy.sparse.linalg.cg(times, f, tol=accuracy, maxiter=200, M=lambda v: v / scale)
        return move * jnp.minimum(1.0, 0.3 / jnp.max(jnp.abs(move)))

    return iterated(problem.force(form), move, most)


def then(first, second):
    """One after the other."""
    return lambda phi, *arguments: second(first(phi, *arguments), *arguments)


def chord_pair(problem, most=40):
    """Both nudged states of a sample from one Cholesky factor at its free state."""
    force = problem.force("dense")

    def one(free, matrix, field_x, field_y, nudge_x, nudge_y):
        factor = jnp.linalg.cholesky(hessian(free, matrix, field_x, field_y))
        chord = iterated(force, lambda phi, f, *_: jax.scipy.linalg.cho_solve((factor, True), f), most)
        fields = lambda sign: (field_x + sign * nudge_x, field_y + sign * nudge_y)
        return chord(free, matrix, *fields(1.0)), chord(free, matrix, *fields(-1.0))

    def batch(free, matrix, *fields):
        return jax.lax.map(lambda sample: one(sample[0], matrix, *sample[1:]), (free, *fields))

    return batch


# From one sample to the batch.


def rescued(problem, form, tried, ways, start, weights, field_x, field_y):
    """What was tried where it arrived; elsewhere the first of the other ways from `start` that arrives, sample by sample."""
    force = problem.force(form)

    def one(sample):
        result, start, x, y = sample
        for way in ways:
            arrived = residual(force(result, weights, x, y)) < STOP
            result = jax.lax.cond(arrived, lambda: result, lambda: way(start, weights, x, y))
        return result

    return jax.lax.map(one, (tried, start, field_x, field_y))


def over_batch(problem, form, ways, each):
    """The first way for every sample, one by one (`each`) or all in step; the others for those that did not arrive."""
    step = jax.vmap(ways[0], in_axes=(0, None, 0, 0))

    def batch(phi, weights, field_x, field_y):
        if each:
            tried = jax.lax.map(lambda s: ways[0](s[0], weights, s[1], s[2]), (phi, field_x, field_y))
        else:
            tried = step(phi, weights, field_x, field_y)
        return rescued(problem, form, tried, ways[1:], phi, weights, field_x, field_y)

    return batch


class Method:
    """A named way to the free equilibria and to the nudged ones, with what rescues samples that do not arrive."""

    def __init__(self, name, form, free, nudged, rescue=(), pair=None):
        self.name, self.form, self.free, self.nudged, self.rescue, self.pair = name, form, free, nudged, rescue, pair


def ways_by_flow(problem, form, tol, finish):
    """The flow down to SWITCH, then `finish`; if that fails, two more digits by the flow first, at a tolerance that allows
    it: Tsit5's residual stops falling at some tens of its tolerance."""
    first = flow(problem, form, tol, tol, SWITCH, max_steps=2_000)
    longer = flow(problem, form, 1e-8, 1e-8, 0.01 * SWITCH, max_steps=6_000)
    return then(first, finish), then(longer, finish)


def cold_methods(problem, form, tols, pure_tols):
    """Ways from fresh phases that may be faithful to the flow."""
    plain = {"Newton-CG": newton_cg(problem, form, 0.0), "Newton": newton(problem, 0.0)}
    damped = {"Newton-CG": newton_cg(problem, form, SHIFT), "Newton": newton(problem, SHIFT)}
    for tol in tols:
        for label, finish in plain.items():
            ways = ways_by_flow(problem, form, tol, finish)
            for each, how in ((False, ""), (True, ", one by one")):
                free = over_batch(problem, form, ways, each)
                nudged = over_batch(problem, form, (damped[label], *ways), each)
                yield Method(f"Tsit5 {tol:.0e} + {label}{how}", form, free, nudged)
    # What the authors' code runs: a fixed time, settled or not.
    published = jax.vmap(flow(problem, form, 1e-3, 1e-6, 0.0, time=100.0), in_axes=(0, None, 0, 0))
    yield Method("as published: T = 100", form, published, published)
    for tol in pure_tols:
        pure = jax.vmap(flow(problem, form, tol, tol, STOP), in_axes=(0, None, 0, 0))
        yield Method(f"Tsit5 {tol:.0e}", form, pure, pure)


def warm_methods(problem, form, tol):
    """Ways from an equilibrium nearby."""
    rescue = ways_by_flow(problem, form, tol, newton_cg(problem, form, 0.0))
    pair = chord_pair(problem)
    for label, way in (("Newton-CG", newton_cg(problem, form, SHIFT)), ("Newton", newton(problem, SHIFT))):
        for each, how in ((False, ""), (True, ", one by one")):
            batch = over_batch(problem, form, (way, *rescue), each)
            yield Method(label + how, form, batch, batch)
            if each:
                yield Method(f"{label}{how}; chord nudges", form, batch, batch, rescue, pair)
    pure = jax.vmap(flow(problem, form, 1e-8, 1e-8, STOP), in_axes=(0, None, 0, 0))
    yield Method("Tsit5 1e-08", form, pure, pure)
    cg = over_batch(problem, form, (newton_cg(problem, form, SHIFT), *rescue), True)
    yield Method(f"Tsit5 {tol:.0e} + Newton-CG, one by one", form, over_batch(problem, form, rescue, True), cg)


def ep_step(problem, method, beta, clip):
    """One compiled EP step: free phase, two nudges (log cost, amplitude frozen at the free state), all gradients."""
    def nudges(free, weights, x, y, dx, dy):
        fields = [(x + dx, y + dy), (x - dx, y - dy)]
        if method.pair is None:
            return [method.nudged(free, weights, *field) for field in fields]
        tried = method.pair(free, weights, x, y, dx, dy)
        return [
            rescued(problem, method.form, state, method.rescue, free, weights, *field)
            for state, field in zip(tried, fields)
        ]

    @jax.jit
    def step(starts, couplings, field_x, field_y, clamps, targets):
        weights = problem.prepared(method.form, couplings)
        x, y = problem.folded(couplings, field_x, field_y, clamps)
        free = method.free(starts[:, problem.free], weights, x, y)
        amplitude = beta / jnp.maximum(1.0 + jnp.cos(free[:, problem.outputs] - targets), clip)
        dx = jnp.zeros_like(x).at[:, problem.outputs].add(amplitude * jnp.cos(targets))
        dy = jnp.zeros_like(y).at[:, problem.outputs].add(amplitude * jnp.sin(targets))
        plus, minus = nudges(free, weights, x, y, dx, dy)

        def everywhere(phi):
            return jnp.zeros((problem.batch, problem.sites)).at[:, problem.free].set(phi).at[:, problem.inputs].set(clamps)

        full, plus, minus = everywhere(free), everywhere(plus), everywhere(minus)
        mean = lambda at_plus, at_minus: -(at_plus - at_minus).mean(0) / (2 * beta)
        pairs = lambda phi: jnp.cos(phi[:, problem.i] - phi[:, problem.j])
        gradient = (
            mean(pairs(plus), pairs(minus)),
            mean(jnp.cos(plus), jnp.cos(minus)),
            mean(jnp.sin(plus), jnp.sin(minus)),
        )
        return full, plus, minus, (dx, dy), gradient

    return step
