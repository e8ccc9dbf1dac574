"""What giantstep takes beside a reference in the same run, and the mark that each ratio must keep: ``make benchmark``.

Processor seconds of one process and its children, ours and the reference in turn, medians: a ratio says the same on any
machine. ``python tests/benchmarks/speed_table.py PAGE`` prints the table and writes it as a page of the documentation.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], Any]
#: All of one random polynomial's size, and of a network's.
D, P, N = 256, 512, 8192


@dataclass(frozen=True)
class Line:
    """``prepare`` gives (ours, reference); their ratio must be at most ``mark``. ``needs``: a package that is optional."""

    what: str
    against: str
    prepare: Callable[[], tuple[Work, Work]]
    mark: float
    needs: str = ""

    @property
    def is_possible(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


@dataclass(frozen=True)
class Measured:
    """Processor seconds of one line."""

    line: Line
    ours: float
    reference: float

    @property
    def ratio(self) -> float:
        """Ours in units of the reference."""
        return self.ours / self.reference


def seconds(work: Work) -> float:
    """Processor seconds of this process and its children."""

    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    start = spent()
    work()
    return spent() - start


def measure(line: Line, rounds: int = 3) -> Measured:
    """Medians over rounds in which ours and the reference take turns, after one of each that does not count."""
    ours, reference = line.prepare()
    ours(), reference()
    times = [(seconds(ours), seconds(reference)) for _ in range(rounds)]
    return Measured(line, *(statistics.median(column) for column in zip(*times, strict=True)))


# The lines ------------------------------------------------------------------------------------------------------


def tensor() -> tuple[Work, Work]:
    from hermite import expand

    e = expand("max(z1,z2)", 18)
    entries = np.random.default_rng(0).random(2**18)
    return lambda: e.tensor(18), lambda: np.sort(entries)


def dense_polynomial() -> tuple[Work, Work]:
    import itertools

    from hermite import Target, leap
    from hermite.language.parsing import parse

    rng = random.Random(0)
    powers = (e for e in itertools.product(range(11), repeat=6) if sum(e) <= 10)
    text = " + ".join(
        f"({rng.randint(1, 9)})" + "".join(f"*z{i + 1}^{k}" for i, k in enumerate(e) if k) for e in powers
    )
    return lambda: leap(Target(text)), lambda: parse(text)


def parity() -> tuple[Work, Work]:
    from hermite import Target, hardness, walsh_expansion

    f = Target("*".join(f"z{i}" for i in range(1, 21)))
    return lambda: hardness(f, inputs="rademacher"), lambda: walsh_expansion(f)


def plain_points() -> tuple[Work, Work]:
    """The reference solves the same scalar equation alone, point by point, with SciPy's ``brentq``."""
    from scipy.optimize import brentq

    from asymptotics import Network, Ridge
    from asymptotics.generalisation.errors import risk_curve
    from hermite import Target

    f = Target("z1 + z1*z2", noise=0.05)
    grid = [(float(a), float(lam)) for a in np.geomspace(0.2, 10, 100) for lam in np.geomspace(1e-3, 1, 10)]
    ridges = [Ridge(alpha, 1.0, lam) for alpha, lam in grid]
    slope2, spread, beta = 0.25, 0.5 - 0.25 - 1 / (2 * np.pi), 0.5

    def point(alpha: float, lam: float) -> float:
        def gap(x: float) -> float:
            v = float(np.exp(x))
            hat, own = alpha * slope2 / (1 + v), alpha * spread / (1 + v)
            c, q = lam + own / beta, hat
            b = c + hat / beta - q
            root = (b * b + 4 * c * q) ** 0.5
            g = 2 / (b + root) if b > 0 else (root - b) / (2 * c * q)
            return float(np.log(slope2 * g / (1 + hat * g) + spread * g)) - x

        return float(brentq(gap, -40.0, 40.0, xtol=1e-14))

    return lambda: risk_curve(f, Network(), None, ridges), lambda: [point(*cell) for cell in grid]


def pair_moments() -> tuple[Work, Work]:
    from scipy.integrate import dblquad

    from asymptotics.expectations.activations import get_activation
    from asymptotics.generalisation.spiked.feature_moments import product_moment

    sigma = get_activation("relu")
    mean = np.linspace(-3, 3, 400).reshape(200, 2)

    def by_quadrature() -> float:
        def density(x: float, y: float) -> float:
            return float(np.exp(-(x * x - x * y + y * y) / 1.5))

        return dblquad(lambda x, y: max(x, 0.0) * max(y, 0.0) * density(x, y), -8, 8, -8, 8, epsabs=1e-6)[0]

    return lambda: product_moment(sigma, mean, np.ones(2), 0.5), by_quadrature


def fixed_width(p: int, **network: Any) -> tuple[Work, Work]:
    """Two steps, each time at another rate: nothing that was kept serves again."""
    from asymptotics import Network, Training, overlaps
    from hermite import Target

    f = Target("z1 + z1*z2", noise=0.05)
    rates = iter(np.linspace(0.9, 1.1, 1000))
    return (
        lambda: overlaps(f, Network(width=p, **network), Training(2, eta=float(next(rates)))),
        eigh(),
    )


def further_level(level: str) -> tuple[Work, Work]:
    from asymptotics import Network, Ridge, Training, risk
    from hermite import Target

    f = Target("z1 + z1*z2", noise=0.05)
    # What is measured serves every level at a point: each has points of its own.
    alphas = iter(np.linspace(0.7, 3, 100) + 0.01 * (level == "En+"))
    matrix = np.eye(480) + 1e-3 * np.random.default_rng(0).random((480, 480))

    def point() -> Any:
        return risk(f, Network(), Training(1), Ridge(alpha=float(next(alphas)), level=level, d=500))

    return point, lambda: np.linalg.inv(matrix)


def default_line() -> tuple[Work, Work]:
    """A hundred points whose corrections are measured, with the batches that they are measured on: each time another rate."""
    from asymptotics import Network, Ridge, Training
    from asymptotics.generalisation.errors import risk_curve
    from hermite import Target

    f, rates = Target("z1 + z1*z2"), iter(np.linspace(1.9, 2.1, 1000))
    ridges = [Ridge(float(a), 2.0, 0.01) for a in np.geomspace(0.3, 10, 100)]
    return lambda: risk_curve(f, Network(), Training(2, 1.0, float(next(rates))), ridges), eigh()


def eigh() -> Work:
    """A unit of work of the machine."""
    matrix = np.random.default_rng(0).random((600, 600))
    matrix = matrix + matrix.T
    return lambda: np.linalg.eigh(matrix)


def fresh_risk(text: str, network: dict[str, Any], steps: int, ridge: dict[str, Any]) -> tuple[Work, Work]:
    """The error of a ridge fit end to end, each time of another target: nothing that was kept serves again."""
    from asymptotics import Network, Ridge, Training, risk
    from hermite import Target

    factors = iter(range(101, 1000))

    def ours() -> Any:
        f = Target(f"{next(factors)}/100*({text})", noise=0.05)
        return risk(f, Network(**network), Training(steps), Ridge(**ridge))

    return ours, eigh()


def biased_steps() -> tuple[Work, Work]:
    from asymptotics import Network, Training, overlaps
    from hermite import Target

    f, rates = Target("z1 + z1*z2", noise=0.05), iter(np.linspace(0.9, 1.1, 100))
    return lambda: overlaps(f, Network(bias=0.5), Training(3, eta=float(next(rates)))), eigh()


def tuning() -> tuple[Work, Work]:
    from asymptotics import Network, Ridge, Training, optimise
    from hermite import Target

    noises = iter(np.linspace(0.05, 0.1, 100))

    def ours() -> Any:
        f = Target("z1 + z1*z2", noise=float(next(noises)))
        return optimise(f, Network(), Training(1), Ridge(), over=("lam", "eta"))

    return ours, eigh()


def online_recursion(steps: int = 1000) -> tuple[Work, Work]:
    """The reference is a hundred array calls a step, of the size of the overlaps."""
    from asymptotics.expectations.activations import get_activation
    from asymptotics.learning.giant.noise_kernel import Student
    from asymptotics.learning.sgd.averages import Problem, way_of
    from asymptotics.learning.sgd.flow import Step, recursion
    from hermite import Target

    f = Target("(erf(z1/sqrt(2)) + erf(z2/sqrt(2)))/2")
    way, _ = way_of(Problem(f, get_activation("erf(x/sqrt(2))"), tilted=False), 2)
    M = np.array([[0.3, 0.1], [0.0, 0.2]])
    Q = M @ M.T
    np.fill_diagonal(Q, 1.0)
    start = Student(np.ones(2), np.zeros(2), M, Q)
    return (
        lambda: recursion(start, way, Step(0.01, 1.0), [0, steps], 1, 1),
        lambda: [np.sqrt(Q * Q) for _ in range(50 * steps)],
    )


def online_runs(steps: int = 300) -> tuple[Work, Work]:
    """The reference draws the normals."""
    from asymptotics.simulation.online_reduced import OnlineReduced, OnlineStep
    from asymptotics.simulation.reduced import ReducedNetwork

    students = [network_of(ReducedNetwork, 4, 10**6, k) for k in range(64)]
    runs = OnlineReduced(students, OnlineStep(0.01, 20))
    rng = np.random.default_rng(0)
    return (
        lambda: runs.advance(steps),
        lambda: [rng.standard_normal(64 * 20 * 6) for _ in range(steps)],
    )


def network_of(kind: Any, p: int, d: int, replicate: int = 0, backend: Any = None) -> Any:
    from asymptotics.expectations.activations import get_activation
    from asymptotics.simulation.backends import NUMPY
    from asymptotics.simulation.student import Setup
    from hermite import Target

    readout = np.repeat([1.0, -1.0], p // 2)
    return kind(
        Setup(
            Target("z1 + z1*z2"), get_activation("relu"), readout, d, symmetric=False, bias=0.0, entropy=0,
            replicate=replicate, memory=10**9, dtype="float32", backend=backend or NUMPY,
        )
    )  # fmt: skip


def giant_step() -> tuple[Work, Work]:
    from asymptotics.simulation.direct import DirectNetwork

    rng = np.random.default_rng(0)
    z, w = rng.standard_normal((N, D), dtype=np.float32), rng.standard_normal((P, D), dtype=np.float32)
    return (
        lambda: network_of(DirectNetwork, P, D).giant_step(1, N, 1.0),
        lambda: (z @ w.T).T @ z,
    )


def giant_step_of_torch() -> tuple[Work, Work]:
    """On the processor: PyTorch's stream of normals included."""
    import torch

    from asymptotics.simulation.backends import get_backend
    from asymptotics.simulation.direct import DirectNetwork

    torch.set_num_threads(1)
    z, w = torch.randn(N, D), torch.randn(P, D)
    backend = get_backend("torch", "cpu")
    return (
        lambda: network_of(DirectNetwork, P, D, backend=backend).giant_step(1, N, 1.0),
        lambda: (z @ w.T).T @ z,
    )


def small_unit() -> tuple[Work, Work]:
    """The reference is the update rule in NumPy, without streams, chunks, checks or errors."""
    from asymptotics import Network, Simulation, Training, simulate
    from hermite import Target

    f, p, d, n, tests = Target("z1 + z1*z2"), 8, 32, 128, 1000
    setting = Simulation(d=d, width=p, replicates=1, test_samples=tests)

    def bare() -> float:
        rng = np.random.default_rng(0)
        w = rng.standard_normal((p, d))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        a = np.repeat([1.0, -1.0], p // 2)
        z = rng.standard_normal((n, d))
        h = z @ w.T
        gap = z[:, 0] + z[:, 0] * z[:, 1] - np.maximum(h, 0) @ a / p
        w += a[:, None] * (((h > 0) * gap[:, None]).T @ z) / n
        z = rng.standard_normal((tests, d))
        gap = z[:, 0] + z[:, 0] * z[:, 1] - np.maximum(z @ w.T, 0) @ a / p
        return float(gap @ gap) / tests

    return (
        lambda: [simulate(f, Network(width=p), Training(1), None, setting) for _ in range(20)],
        lambda: [bare() for _ in range(20)],
    )


def reduced_step() -> tuple[Work, Work]:
    """The reference draws the normals of the step, at once."""
    from asymptotics.simulation.reduced import ReducedNetwork

    n = 200_000
    return (
        lambda: network_of(ReducedNetwork, 8, 10**6).giant_step(1, n, 1.0),
        lambda: np.random.Generator(np.random.SFC64(0)).standard_normal((n, 10), dtype=np.float32),
    )


#: An experiment whose points cost little, and a folder of compiled modules, as an installed package has.
EXPERIMENT = """
[target]
expression = "z1 + z1*z2"
[training]
steps = [0, 1]
[ridge]
alpha = [1.0, 2.0]
accuracy = 0
"""
HERE = tempfile.TemporaryDirectory()


def cold_start(*arguments: str) -> Callable[[], tuple[Work, Work]]:
    def prepare() -> tuple[Work, Work]:
        code = "from asymptotics.commands.cli import main; main()"
        (Path(HERE.name) / "experiment.toml").write_text(EXPERIMENT, encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = HERE.name

        def started(*command: str) -> None:
            subprocess.run(
                [sys.executable, *command], capture_output=True, check=True, cwd=HERE.name, env=environment
            )

        return (
            lambda: started("-c", code, *arguments),
            lambda: started("-c", "import numpy, scipy.linalg"),
        )

    return prepare


STAIR = "z1 + z1*z2"
FOUR = "z1 + z1*z2 + z1*z2*z3 + z4"
#: A unit of work of the machine.
EIGH = "eigh of a 600 x 600 matrix"
IMPORTS = "import numpy, scipy.linalg"

LINES = (
    Line("tensor of order 18 of max(z1,z2)", "sorting its entries", tensor, 30),
    Line("risk of max(z1,z2,z3,z4), 0 steps, d = 160", EIGH, lambda: fresh_risk("max(z1,z2,z3,z4)", {}, 0, {"d": 160}), 40),
    Line("leap of 8,008 monomials in 6 variables", "parsing them", dense_polynomial, 4),
    Line("200 pair moments of relu", "one of them by dblquad", pair_moments, 1),
    Line(
        "gaussian readout, relu, level E, d = 500", EIGH,
        lambda: fresh_risk(STAIR, {"readout": "gaussian"}, 1, {"level": "E", "d": 500}), 10,
    ),
    Line(
        "gaussian readout, tanh, level E, d = 500", EIGH,
        lambda: fresh_risk(STAIR, {"activation": "tanh", "readout": "gaussian"}, 1, {"level": "E", "d": 500}), 10,
    ),
    Line("tune of lambda and eta", EIGH, tuning, 250),
    Line("a step in four directions, level E", EIGH, lambda: fresh_risk(FOUR, {}, 1, {"level": "E"}), 10),
    Line(
        "two steps in four directions, tanh, level E", EIGH,
        lambda: fresh_risk(FOUR, {"activation": "tanh"}, 2, {"level": "E", "d": 500}), 120,
    ),
    Line("overlaps of three steps with random biases", EIGH, biased_steps, 250),
    Line("two steps of 32 neurons, relu", EIGH, lambda: fixed_width(32), 30),
    Line("two steps of 128 neurons, relu", EIGH, lambda: fixed_width(128), 60),
    Line(
        "two steps of 32 different neurons, erf", EIGH,
        lambda: fixed_width(32, activation="erf(x)", readout="gaussian"), 8,
    ),
    Line("20 units of 8 neurons in 32 dimensions", "the update rule in NumPy", small_unit, 20),
    Line("a further point at level matrix", "inv of a 480 x 480 matrix", lambda: further_level("matrix"), 25),
    Line("a further point at level En+", "inv of a 480 x 480 matrix", lambda: further_level("En+"), 25),
    Line("a hundred points of two steps, corrected by default, with their set-up", EIGH, default_line, 90),
    Line("hardness of a parity of 20 bits", "its Walsh expansion", parity, 300),
    Line("1,000 points of plain random features", "brentq on their scalar equation", plain_points, 8),
    Line("reduced step of 200,000 samples, p = 8", "drawing its normals", reduced_step, 8),
    Line("300 online steps of 64 runs, p = 4, n_b = 20", "drawing their normals", online_runs, 5),
    Line("1,000 steps of the online recursion, erf, p = 2", "100 small array calls a step", online_recursion, 3),
    Line("cold start of --version", IMPORTS, cold_start("--version"), 1.2),
    Line("cold start of leap 'z1 + z1*z2'", IMPORTS, cold_start("leap", "z1 + z1*z2"), 1.2),
    Line("cold start of expand 'z1 + z1*z2'", IMPORTS, cold_start("expand", "z1 + z1*z2", "--order", "2"), 1.2),
    Line("cold start of hardness 'z1 + z1*z2'", IMPORTS, cold_start("hardness", "z1 + z1*z2"), 1.2),
    Line("cold start of plateaus 'z1 + z1*z2'", IMPORTS, cold_start("plateaus", "z1 + z1*z2"), 1.2),
    Line("cold start of init", IMPORTS, cold_start("init"), 1.2),
    Line("cold start of activations, all coefficients computed", IMPORTS, cold_start("activations"), 3),
    Line("cold start of curve, four points computed", IMPORTS, cold_start("curve", "experiment.toml"), 1.5),
    Line("cold start of overlaps, two steps computed", IMPORTS, cold_start("overlaps", "experiment.toml"), 1.3),
    Line(
        "cold start of samples, 125 points computed", IMPORTS,
        cold_start("samples", "experiment.toml", "--test-error", "1.2"), 3,
    ),
    Line(f"giant step, d = {D}, p = {P}, n = {N}", "its bare matrix products", giant_step, 4),
    Line("the same on PyTorch's CPU backend", "its bare matrix products there", giant_step_of_torch, 6, needs="torch"),
)  # fmt: skip


# The table ------------------------------------------------------------------------------------------------------


def shown(value: float) -> str:
    """Seconds in a unit that reads well."""
    return f"{value:.2g} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def times(ratio: float) -> str:
    """A ratio to two digits, without an exponent."""
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"


def table(rows: list[Measured | Line], failed: Mapping[str, str] = {}) -> str:
    """Markdown: what, ours, reference, ratio, mark; dashes for a line that could not be measured, with the reason."""
    out = ["| what | ours | reference | ratio | mark |", "|---|---|---|---|---|"]
    for row in rows:
        if isinstance(row, Line):
            why = failed.get(row.what, f"needs {row.needs}")
            out.append(f"| {row.what} | – | – ({why}) | – | {row.mark:g} |")
            continue
        line = row.line
        reference = f"{shown(row.reference)} ({line.against})"
        out.append(f"| {line.what} | {shown(row.ours)} | {reference} | {times(row.ratio)} | {line.mark:g} |")
    return "\n".join(out)


def machine() -> str:
    """The machine in general terms."""
    import scipy

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{processor()} ({platform.system()} on {platform.machine()}), {cores} cores of which one was used, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    )


def processor() -> str:
    """What the processor calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "a processor without a name"


def page(rows: list[Measured | Line], failed: Mapping[str, str] = {}) -> str:
    """The page of the documentation."""
    return f"""# Speed

`make benchmark` writes this page. Processor time of one thread, medians of several rounds in which ours and the reference take
turns; the ratio is what counts, the mark is the largest that the tests allow. Measured on {machine()}. Where
other programs share the machine, seconds are up to twice those of a quiet one. A cold start is that of compiled modules, as an
installed package has; what a command computes is in it. The PyTorch backend ran on the processor: nothing here was run on a GPU.

{table(rows, failed)}
"""


def main() -> None:
    """Measure every line, print the table, and write the page that is named; the exit code is 1 where a mark is missed."""
    rows: list[Measured | Line] = []
    failed: dict[str, str] = {}
    late = False
    for line in LINES:
        try:
            found = measure(line, 3) if line.is_possible else line
        except Exception as error:
            # The other lines are measured all the same.
            failed[line.what] = f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"
            found = line
        rows.append(found)
        if isinstance(found, Measured):
            late = late or found.ratio > line.mark
            print(f"{line.what}: {found.ratio:.2g} (mark {line.mark:g})", file=sys.stderr, flush=True)
    print(table(rows, failed))
    for name in sys.argv[1:]:
        Path(name).write_text(page(rows, failed), encoding="utf-8")
    sys.exit(int(late or bool(failed)))


if __name__ == "__main__":
    main()
