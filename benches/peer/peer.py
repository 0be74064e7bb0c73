"""Times the authors' stack (JAX, diffrax) against xyloop on the same numbers, in turns, in one run.

    cargo build --release -p xyloop-benches --bin side
    pip install -r benches/peer/requirements.txt
    python benches/peer/peer.py --side target/release/side --out comparison.json

Both programs run on one thread of the same processor core, never at the same time. First every method of the peer is
tried on one step and judged: samples that are settled (max |force| < 1e-6 by an independent numpy force) and samples
whose equilibrium is the accurate flow's (cold) or ours (warm), phases within 1e-4 rad at every site. Two methods with at
least 99 % of both are then run against ours, peer, ours, peer, ours, …: the fastest that integrates the flow alone, which
is what the authors' stack does, and the fastest of all. Medians and their ratio go into the table; a method that takes
longer than 20 s is not run again. A step is the free phase, two nudges and all gradients; for warm starts ours is also
timed with the linear response instead of nudges. Compilation is not timed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--side", required=True, help="our program: target/release/side")
parser.add_argument("--workloads", default="xor-4nsq,xor-sq,iris,mnist")
parser.add_argument("--starts", default="cold,warm")
parser.add_argument("--pairs", type=int, default=5, help="timed steps of each program (mnist: at most 3)")
parser.add_argument("--core", type=int, default=0, help="the processor core both run on")
parser.add_argument("--methods", default="", help="only peer methods whose name matches this regular expression")
parser.add_argument("--reference", type=int, default=32, help="samples compared with the accurate flow")
parser.add_argument("--out", help="write all figures as JSON")
options = parser.parse_args()

# One core and one thread, before anything starts threads of its own.
os.sched_setaffinity(0, {options.core})
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import methods  # noqa: E402 (needs the settings above)

SAME = 1e-4  # rad: equilibria that differ by less at every site are the same one
ENOUGH = 0.99
NAMES = ("edges", "inputs", "outputs", "clamps", "targets", "couplings", "field_x", "field_y", "starts")


class Side:
    """Our program, which answers one line per command."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            sys.exit(f"{command}: {answer or 'no answer'}")
        return {key: float(value) for key, value in (word.split("=") for word in answer.split()[1:])}


class Workload:
    """One workload's numbers, as our program wrote them, and the peer's pieces for it."""

    def __init__(self, side, name, steps, folder):
        self.side, self.name, self.folder, self.steps = side, name, folder, steps
        side.ask(f"load {name} {steps} {folder}")
        self.about = json.load(open(f"{folder}/workload.json"))
        self.data = {key: self.read(key) for key in NAMES}
        self.problem = methods.Problem(self.data)
        self.compiled = {}

    def read(self, key):
        return np.load(f"{self.folder}/{key}.npy")

    def step(self, method, index, starts):
        """Runs the peer's step; what it took and what came out."""
        data = self.data
        arguments = [jnp.asarray(x) for x in (starts, data["couplings"][index], data["field_x"][index])]
        arguments += [jnp.asarray(x) for x in (data["field_y"][index], data["clamps"], data["targets"])]
        jax.block_until_ready(arguments)
        if method.name not in self.compiled:
            step = methods.ep_step(self.problem, method, self.about["beta"], self.about["clip"])
            self.compiled[method.name] = step.lower(*arguments).compile()
        wall, cpu = time.perf_counter(), time.process_time()
        result = jax.block_until_ready(self.compiled[method.name](*arguments))
        took = time.perf_counter() - wall, time.process_time() - cpu
        return took, jax.tree.map(np.asarray, result)

    def settled(self, index, result):
        """Fractions of free and of nudged states with max |force| < STOP, by numpy alone."""
        free, plus, minus, nudge, _ = result

        def largest(phases, sign):
            data, problem = self.data, self.problem
            torque = data["couplings"][index] * np.sin(phases[:, problem.i] - phases[:, problem.j])
            force = data["field_y"][index] * np.cos(phases) - data["field_x"][index] * np.sin(phases)
            for sample in range(len(phases)):
                np.subtract.at(force[sample], problem.i, torque[sample])
                np.add.at(force[sample], problem.j, torque[sample])
            force = force[:, problem.free]
            own = phases[:, problem.free]
            force = force + sign * (nudge[1] * np.cos(own) - nudge[0] * np.sin(own))
            return np.abs(force).max(1)

        fraction = lambda residuals: float(np.mean(residuals < methods.STOP))
        return fraction(largest(free, 0.0)), fraction(np.concatenate([largest(plus, 1.0), largest(minus, -1.0)]))


def agreement(a, b):
    """Fraction of samples in the same equilibrium."""
    count = min(len(a), len(b))
    difference = np.abs((a[:count] - b[:count] + np.pi) % (2 * np.pi) - np.pi)
    return float(np.mean(np.nan_to_num(difference, nan=np.pi).max(1) < SAME))


def cosine(a, b):
    a, b = np.concatenate([np.ravel(x) for x in a]), np.concatenate([np.ravel(x) for x in b])
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def our_gradient(workload):
    return [workload.read(f"ours-{part}") for part in ("couplings", "field_x", "field_y")]


def start_of(workload, kind, index, last):
    return workload.data["starts"][index] if kind == "cold" else last


def judge(workload, kind, candidates):
    """Every candidate once on step 1."""
    side = workload.side
    side.ask("origin")
    origin = workload.read("origin")
    if kind == "cold":
        side.ask(f"reference 1 {options.reference}")
        wanted = workload.read("reference")
    side.ask(f"{kind} 1")
    ours = workload.read("ours-free")
    if kind == "warm":
        wanted = ours
    rows = []
    print(f"\n{workload.name}, {kind}: ours and the reference agree in {agreement(ours, wanted):.1%}", file=sys.stderr)
    for method in candidates:
        if not re.search(options.methods, method.name):
            continue
        start = start_of(workload, kind, 1, origin)
        took, result = workload.step(method, 1, start)
        free, nudged = workload.settled(1, result)
        row = {
            "method": method.name,
            "seconds": took[0],
            "cpu": took[1],
            "settled_free": free,
            "settled_nudged": nudged,
            "agrees": agreement(result[0], wanted),
            "gradient_cosine": cosine(result[4], our_gradient(workload)),
        }
        row["qualified"] = free >= ENOUGH and row["agrees"] >= ENOUGH
        rows.append((row, method))
        print(
            f"  {method.name:34} {took[0] * 1e3:10.1f} ms (cpu {took[1] * 1e3:.1f})  settled {free:.1%} / {nudged:.1%}  "
            f"agrees {row['agrees']:.1%}  gradient cosine {row['gradient_cosine']:.4f}",
            file=sys.stderr,
            flush=True,
        )
    return rows, agreement(ours, wanted)


SLOW = 20.0  # s: what takes longer is timed once


def duel(workload, kind, method, judged, pairs):
    """Peer, ours, peer, ours, …: times of both, and how far they agree."""
    side = workload.side
    side.ask("origin")
    last = workload.read("origin")
    figures = {"peer": [], "peer_cpu": [], "ours": [], "ours_cpu": [], "response": [], "agree": [], "cosine": [], "unsettled": 0}
    settled = []
    slow = judged["seconds"] > SLOW
    for index in range(1, pairs + 1):
        if not slow:
            took, result = workload.step(method, index, start_of(workload, kind, index, last))
            last = result[0]
            figures["peer"].append(took[0])
            figures["peer_cpu"].append(took[1])
            settled.append(workload.settled(index, result))
        answer = side.ask(f"{kind} {index}")
        figures["ours"].append(answer["seconds"])
        figures["ours_cpu"].append(answer["cpu"])
        figures["unsettled"] += int(answer["unsettled"])
        if not slow:
            figures["agree"].append(agreement(result[0], workload.read("ours-free")))
            figures["cosine"].append(cosine(result[4], our_gradient(workload)))
    if slow:
        for key, of in (("peer", "seconds"), ("peer_cpu", "cpu"), ("agree", "agrees"), ("cosine", "gradient_cosine")):
            figures[key].append(judged[of])
        settled.append((judged["settled_free"], judged["settled_nudged"]))
    if kind == "warm":
        side.ask("origin")
        side.ask("nudge response")
        figures["response"] = [side.ask(f"warm {index}")["cpu"] for index in range(1, pairs + 1)]
        side.ask("nudge symmetric")
    figures["settled"] = np.mean(settled, 0).tolist()
    return figures


def forms(workload):
    """Milliseconds of one force of the whole batch, by the form of the sum."""
    problem, data = workload.problem, workload.data
    x, y = problem.folded(*(jnp.asarray(data[key][0]) for key in ("couplings", "field_x", "field_y")), data["clamps"])
    phases = jnp.asarray(data["starts"][0][:, problem.free])
    times = {}
    for form in methods.FORMS:
        if form == "gather" and problem.table.size > 100_000:
            continue  # a dense output makes every row of the table as long as its own
        weights = problem.prepared(form, jnp.asarray(data["couplings"][0]))
        force = jax.jit(jax.vmap(problem.force(form), in_axes=(0, None, 0, 0)))
        force(phases, weights, x, y).block_until_ready()
        runs = []
        for _ in range(10):
            cpu = time.process_time()
            force(phases, weights, x, y).block_until_ready()
            runs.append(time.process_time() - cpu)
        times[form] = float(np.median(runs)) * 1e3
    return times


def candidates(workload, kind, form):
    if kind == "cold":
        # The residual at which a tolerance stalls grows with the rates: on large arrays 1e-6 stalls above SWITCH.
        small = workload.problem.batch <= 8
        tols, pure = ((1e-5, 1e-6), (1e-8,)) if small else ((1e-7,), (1e-8,))
        return methods.cold_methods(workload.problem, form, tols, pure)
    return methods.warm_methods(workload.problem, form, 1e-7)


def main():
    side = Side(options.side)
    table, record = [], {"versions": {"jax": jax.__version__, "diffrax": diffrax.__version__}, "runs": []}
    for name in options.workloads.split(","):
        pairs = min(options.pairs, 3) if name == "mnist" else options.pairs
        with tempfile.TemporaryDirectory() as folder:
            workload = Workload(side, name, pairs + 1, folder)
            times = forms(workload)
            form = min(times, key=times.get)
            print(f"\n{name}: ms per force of the batch (cpu): {times}; using {form}", file=sys.stderr)
            for kind in options.starts.split(","):
                rows, ours_agree = judge(workload, kind, candidates(workload, kind, form))
                record["runs"].append({"workload": name, "start": kind, "forms_ms": times, "form": form})
                record["runs"][-1]["ours_agrees"] = ours_agree
                record["runs"][-1]["candidates"] = [row for row, _ in rows]
                qualified = [(row["cpu"], place) for place, (row, _) in enumerate(rows) if row["qualified"]]
                alone = [pair for pair in qualified if rows[pair[1]][1].name.startswith("Tsit5") and "+" not in rows[pair[1]][1].name]
                chosen = dict.fromkeys(min(fit)[1] for fit in (alone, qualified) if fit)
                if not chosen:
                    print(f"  no method of the peer qualifies on {name}, {kind}", file=sys.stderr)
                    continue
                for place in chosen:
                    row, method = rows[place]
                    figures = duel(workload, kind, method, row, pairs)
                    record["runs"][-1].setdefault("duels", []).append({"method": method.name, **figures})
                    median = {key: float(np.median(figures[key])) for key in figures if key.endswith(("peer", "ours", "cpu", "response"))}
                    faster = median["peer_cpu"] / median["response"] if kind == "warm" else 0.0
                    response = f"{median['response'] * 1e3:.2f} | {faster:.0f}" if kind == "warm" else "– | –"
                    table.append(
                        f"| {name} | {kind} | {method.name} | {median['peer_cpu'] * 1e3:.1f} | {median['ours_cpu'] * 1e3:.2f} "
                        f"| {median['peer_cpu'] / median['ours_cpu']:.0f} | {median['peer'] / median['ours']:.0f} | {response} "
                        f"| {len(figures['peer'])} | {figures['settled'][0]:.1%} | {np.mean(figures['agree']):.1%} | {np.median(figures['cosine']):.4f} |"
                    )
                    print(table[-1], file=sys.stderr, flush=True)
                if options.out:
                    json.dump(record, open(options.out, "w"), indent=1)
    print(
        "| Workload | Start | Peer | peer, ms | ours, ms | ratio | ratio of wall times | ours by linear response, ms | ratio "
        "| peer timed | settled | same equilibria | gradient cosine |"
    )
    print("|" + "---|" * 13)
    print("\n".join(table))


main()
