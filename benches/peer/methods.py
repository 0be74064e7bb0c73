"""An Equilibrium-Propagation step in JAX, as a competent user of the authors' stack (JAX, diffrax) would write it.

All functions work on the free sites of a whole batch: phases [batch, free sites], fields with the clamped sites folded
in. A *form* says how the force is summed, a *method* how an equilibrium is found. Every method ends where max|force| <
STOP; what did not get there is counted by the caller, with an independent force.
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
            return cos * (product(weights, sin) + field_y) - sin * (product(weights, cos) + field_x)

        return force

    def product(self, form):
        """W v for one sample."""
        if form == "dense":
            return lambda weights, v: weights @ v
        if form == "gather":
            return lambda weights, v: (weights * v[self.table]).sum(-1)
        return lambda weights, v: jax.ops.segment_sum(
            weights * v[self.source], self.to, len(self.free), indices_are_sorted=True
        )


def residual(force):
    """max |force|, +inf if anything is not finite."""
    largest = jnp.max(jnp.abs(force))
    return jnp.where(jnp.isfinite(largest), largest, jnp.inf)


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

    return jax.vmap(one, in_axes=(0, None, 0, 0))


def hessian(phi, matrix, field_x, field_y):
    """d2E/dphi2 of one sample, dense."""
    sin, cos = jnp.sin(phi), jnp.cos(phi)
    diagonal = cos * (matrix @ cos + field_x) + sin * (matrix @ sin + field_y)
    return jnp.diag(diagonal) - matrix * (cos[:, None] * cos + sin[:, None] * sin)


def newton(problem, shift, each, most=30):
    """Newton by Cholesky on H + shift max|force| I (shift 0: plain). `each`: sample by sample (lax.map) or all in step."""
    force = problem.force("dense")

    def one(phi, matrix, field_x, field_y):
        def step(state):
            phi, f, count = state
            damped = hessian(phi, matrix, field_x, field_y) + shift * residual(f) * jnp.eye(len(phi))
            phi = phi + jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(damped), True), f)
            return phi, force(phi, matrix, field_x, field_y), count + 1

        def going(state):
            r = residual(state[1])
            return (r >= STOP) & jnp.isfinite(r) & (state[2] < most)

        return jax.lax.while_loop(going, step, (phi, force(phi, matrix, field_x, field_y), 0))[0]

    return over_batch(one, each)


def newton_cg(problem, form, shift, each, most=30):
    """Matrix-free Newton: the same damped equations by conjugate gradients with the diagonal as preconditioner."""
    force, product = problem.force(form), problem.product(form)

    def one(phi, weights, field_x, field_y):
        def step(state):
            phi, f, count = state
            sin, cos = jnp.sin(phi), jnp.cos(phi)
            size = residual(f)
            diagonal = cos * (product(weights, cos) + field_x) + sin * (product(weights, sin) + field_y) + shift * size
            times = lambda v: diagonal * v - cos * product(weights, cos * v) - sin * product(weights, sin * v)
            scale = jnp.maximum(jnp.abs(diagonal), 1e-3)
            accuracy = jnp.clip(size, 1e-4, 0.1)
            move, _ = jax.scipy.sparse.linalg.cg(times, f, tol=accuracy, maxiter=200, M=lambda v: v / scale)
            phi = phi + move * jnp.minimum(1.0, 0.3 / jnp.max(jnp.abs(move)))
            return phi, force(phi, weights, field_x, field_y), count + 1

        def going(state):
            r = residual(state[1])
            return (r >= STOP) & jnp.isfinite(r) & (state[2] < most)

        return jax.lax.while_loop(going, step, (phi, force(phi, weights, field_x, field_y), 0))[0]

    return over_batch(one, each)


def chord_pair(problem, most=40):
    """Both nudged states of a sample from one Cholesky factor at its free state."""
    force = problem.force("dense")

    def one(free, matrix, field_x, field_y, nudge_x, nudge_y):
        factor = jnp.linalg.cholesky(hessian(free, matrix, field_x, field_y))

        def solve(sign):
            fields = (field_x + sign * nudge_x, field_y + sign * nudge_y)

            def step(state):
                phi, f, count = state
                phi = phi + jax.scipy.linalg.cho_solve((factor, True), f)
                return phi, force(phi, matrix, *fields), count + 1

            def going(state):
                r = residual(state[1])
                return (r >= STOP) & (r < 10.0) & (state[2] < most)

            return jax.lax.while_loop(going, step, (free, force(free, matrix, *fields), 0))[0]

        return solve(1.0), solve(-1.0)

    def batch(free, matrix, field_x, field_y, nudge_x, nudge_y):
        samples = (free, field_x, field_y, nudge_x, nudge_y)
        return jax.lax.map(lambda s: one(s[0], matrix, *s[1:]), samples)

    return batch


def over_batch(one, each):
    """A function of one sample over the batch."""
    if each:
        return lambda phi, weights, x, y: jax.lax.map(lambda s: one(s[0], weights, s[1], s[2]), (phi, x, y))
    return jax.vmap(one, in_axes=(0, None, 0, 0))


def with_fallback(problem, form, fast, safe):
    """`fast`, and `safe` from the start for those samples that did not arrive."""
    force = jax.vmap(problem.force(form), in_axes=(0, None, 0, 0))

    def batch(phi, weights, field_x, field_y):
        tried = fast(phi, weights, field_x, field_y)
        arrived = jax.vmap(residual)(force(tried, weights, field_x, field_y)) < STOP
        start = jnp.where(arrived[:, None], tried, phi)
        return jax.lax.cond(
            jnp.all(arrived), lambda: tried, lambda: jnp.where(arrived[:, None], tried, safe(start, weights, field_x, field_y))
        )

    return batch


def flow_then(problem, form, tol, finish):
    """The flow down to SWITCH, then `finish`; samples it does not finish go on by the flow for two more digits first.

    Tsit5's residual stops falling at some tens of `tol`, so the tail has a tolerance that gets below its end.
    """
    first = flow(problem, form, tol, tol, SWITCH, max_steps=2_000)
    tail = flow(problem, form, 1e-8, 1e-8, 0.01 * SWITCH, max_steps=4_000)

    def batch(phi, weights, field_x, field_y):
        return finish(first(phi, weights, field_x, field_y), weights, field_x, field_y)

    def longer(phi, weights, field_x, field_y):
        return finish(tail(phi, weights, field_x, field_y), weights, field_x, field_y)

    return with_fallback(problem, form, batch, longer)


class Method:
    """A named way to the free equilibria and to the nudged ones."""

    def __init__(self, name, form, free, nudged=None, pair=None):
        self.name, self.form, self.free, self.nudged, self.pair = name, form, free, nudged or free, pair


def cold_methods(problem, form, each, tols, pure_tols):
    """Ways from fresh phases that may be faithful to the flow."""
    plain = {"Newton-CG": newton_cg(problem, form, 0.0, False), "Newton": newton(problem, 0.0, each)}
    damped = {"Newton-CG": newton_cg(problem, form, SHIFT, False), "Newton": newton(problem, SHIFT, each)}
    for tol in tols:
        for label, finish in plain.items():
            safe = flow_then(problem, form, tol, finish)
            nudged = with_fallback(problem, form, damped[label], safe)
            yield Method(f"Tsit5 {tol:.0e} + {label}", form, safe, nudged)
    # What the authors' code runs: a fixed time, settled or not.
    yield Method("as published: T = 100", form, flow(problem, form, 1e-3, 1e-6, 0.0, time=100.0))
    for tol in pure_tols:
        yield Method(f"Tsit5 {tol:.0e}", form, flow(problem, form, tol, tol, STOP))


def warm_methods(problem, form, each, tol):
    """Ways from an equilibrium nearby."""
    cg, dense = newton_cg(problem, form, SHIFT, False), newton(problem, SHIFT, each)
    safe_cg = flow_then(problem, form, tol, newton_cg(problem, form, 0.0, False))
    safe = flow_then(problem, form, tol, newton(problem, 0.0, each))
    fast_cg, fast = with_fallback(problem, form, cg, safe_cg), with_fallback(problem, form, dense, safe)
    pair = chord_pair(problem)
    yield Method("Newton-CG", form, fast_cg)
    yield Method("Newton", form, fast)
    yield Method("Newton-CG; chord nudges", form, fast_cg, pair=pair)
    yield Method("Newton; chord nudges", form, fast, pair=pair)
    yield Method(f"Tsit5 {tol:.0e} + Newton-CG", form, safe_cg, fast_cg)


def ep_step(problem, method, beta, clip):
    """One compiled EP step: free phase, two nudges (log cost, amplitude frozen at the free state), all gradients."""
    force = jax.vmap(problem.force(method.form), in_axes=(0, None, 0, 0))

    def nudges(free, weights, x, y, dx, dy):
        if method.pair is None:
            return method.nudged(free, weights, x + dx, y + dy), method.nudged(free, weights, x - dx, y - dy)
        states = []
        for sign, tried in zip((1.0, -1.0), method.pair(free, weights, x, y, dx, dy)):
            fields = (x + sign * dx, y + sign * dy)
            arrived = jax.vmap(residual)(force(tried, weights, *fields)) < STOP
            start = jnp.where(arrived[:, None], tried, free)
            finish = lambda: jnp.where(arrived[:, None], tried, method.nudged(start, weights, *fields))
            states.append(jax.lax.cond(jnp.all(arrived), lambda: tried, finish))
        return states

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
