"""Every expression has an answer or one sentence, in bounded time and memory, also where it is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from expression_grammar import case

_QUERIES = ("leap", "expand", "hardness", "plateaus")
#: CPU seconds and bytes of data that one query may take. Work is counted, so that most take far less.
_SECONDS, _MEMORY = 5.0, 10**9
#: The same in the quick suite, whose machine may be shared and several times slower: it finds hangs, no slow answers.
_HANGS = 4 * _SECONDS
_WORKER = Path(__file__).parents[1] / "expression_worker.py"
#: What crashed or hung: huge and tiny constants, cancellation, radicands, functions that oscillate, unnamed variables.
_KNOWN = (
    "Heaviside(z1-400)-exp(-z1^2)", "exp(1e300*z1)-sqrt(z1^4)", "sign((He3(z2))*(z4-1E5)) + z1",
    "sin(1e300*z1)-exp(-1e300*z1)", "(1e200*z1)^2", "max(z2*1e300,0) - max(z2-1/2,z7-z1)", "1e300", "(1e-200*z1)^2",
    "He(5,((1/3)*z20-.5+1e-300)^3)", "(2^200)^3", "(-(z5)-abs(1e300))^4-exp(-z2+sin(z5))",
    "z4+z5-sqrt(1/7) + z1+min(z3,10^50)", "sin(z1-z1)", "softplus(max(pi + 1e-20 + z5^2,z1))", "min(z1,(He10(7 - z1))^2)",
    "erf(0.5+He4(z5))", "sin((z4*z1)^4)", "sin(z2^40)", "He1(cos(z1^7))", "sin(-((He(17,z2))/1e10))",
    "(((z20-z5)^1)^2)*(tanh(z20))", "max(z1*2^200,z2)", "He200(z1)", "min(z1+z2/3+5,z1)*z1*z2", "(min(z3,z1,z20))^7",
    "cos(2*z1/3)^9", "z20", "sqrt(10^300 + 39)*sin(z1 + z5/3)", "(z1)*(1e300*z2)",
    "sin(1e-12*(z4 + 2*z1 - 5))*He17(0.5*2^200)",
    "sin(exp(-(1)^2)) + max(z1, sqrt(2^127 - 1)) + He(1, (z2 - 1/3))",
    "((z3 + 2*z1 - 5) + abs(0.5*z4))*(z4*z1 - exp(-(2^200)^2)) + z1^7 - exp(1)*z2*(z4 - z5) - He1(z2 + z20/3)",
    "((z20 + 2*z2 - 5) - (7)^40 - max((z2 - z3), 1e-200*z1))^4",
    "(((pi - 22/7) - z2)^40)*(max(((z1 + z2/3))*(z2), (exp(1))*(exp(20))))",
    "(((z5-2/3))*(z20))^40", "(((z3 + 2*z1 - 5))^40)^2", "(He1(relu((z1 + 2*z20 - 5))))^40",
    "((sqrt(10^60 + 7))^4)*(min((z5 - 1e300), (z3 + z2/3)))",
    "(((z5 - z1))*((z3 + 2*z1 - 5)))^2 + z20 + (z4 - z5) + He(17, z2)",
    "(((z1 + (z20 - z4))*(2/3*(z1)))^3)*((min((z3 + 2*z3 - 5), z4 + pi/4))*((max(2/3, z1))*(z5 + (z2 + z20/3))))",
    "exp(-((z4 - -1)^40)^2)", "sin(z1^2)*exp(1e200*z1)", "(z1-z2-z3)*z3", "cos(z1^40)*tanh(z1 - 1e150)",
    "sin(He(17,z2))*min(z4,z2)", "min(exp(-((z2-2/3)^4)^2),sin(He17(z20)))",
    "abs(exp(-((1e-20*z2)*(z20))^2)) + sin(sin(1e200*z2) - (2/3*z2)^2)",
    "((((z1 + z1/3))*(z2))*(He3(z20)))^40", "((1e-300)*((z1 + z1/3)) - (z1)*(z5))^40",
    "z1 + z2 - (1e-300*(z4 + 2*z3 - 5))^4 + erf(30)*z1", "1e200*(exp(1)*z1 + z2 - He(10, z20))",
    "((sin((z1 + 2*z20 - 5)))*(logistic((z1 - 1/2))))^40", "((exp(-(z20)^2) + exp((z2 - z5)))^2)^4",
    "(z5 + 2*z1 - 5) - (((z4 + 2*z1 - 5))*((z20 + z1/3)))*((z3 - z1) + z2)", "relu(z1*z2 + z3)",
    "sin((min(z5,2*z1))^7)",
    "(1/2 + z1 + min(1, (z2 + 2*z1 - 5)))*((logistic(exp(1)*z1))^40)", "He150(z1)+He199(z2)",
    "max(He60(z1),z2)",
    "max(sqrt(2) + z4 + 2*z3 - 5, max(z4/2, z1 - 1e300)) + min(tanh(z2 + 2*z5 - 5), sqrt(2)*(z1 + 2*z2 - 5))",
)  # fmt: skip


class _Worker:
    """A process that answers queries, started anew after it was killed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.process: subprocess.Popen[str] | None = None

    def ask(self, query: str, text: str) -> dict[str, Any]:
        if self.process is None:
            root = str(_WORKER.parents[1])
            self.process = subprocess.Popen(
                [sys.executable, str(_WORKER), str(self.seconds), str(_MEMORY)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([query, text]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self.close()
        return {"error": f"killed (exit code {code}): more than {self.seconds:g} CPU seconds"}

    def close(self) -> int:
        assert self.process is not None
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        code = self.process.wait()
        self.process = None
        return code


@contextmanager
def worker(seconds: float = _HANGS) -> Iterator[_Worker]:
    one = _Worker(seconds)
    try:
        yield one
    finally:
        if one.process is not None:
            one.close()


def failures(own: _Worker, cases: list[tuple[str, str]]) -> list[str]:
    """A line for every query that neither was answered nor refused in one sentence."""
    found = []
    for name, text in cases:
        for query in _QUERIES:
            error = own.ask(query, text)["error"]
            if error:
                found.append(f"{name}: {query} of {text!r}: {error}")
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[_Worker]:
    """One process for many expressions: its start costs more than most answers."""
    with worker() as own:
        yield own


@pytest.mark.parametrize("text", _KNOWN)
def test_what_once_crashed_or_hung_is_answered(text: str, shared: _Worker) -> None:
    assert failures(shared, [(text, text)]) == []


@pytest.mark.parametrize("part", range(4))
def test_500_random_expressions_are_answered_or_refused(part: int) -> None:
    """Each by one of the four queries; the seed in a failure is that of ``expression_grammar.case``."""
    found = []
    with worker() as own:
        for seed in range(part, 500, 4):
            query = _QUERIES[(seed // 4) % 4]
            error = own.ask(query, case(seed))["error"]
            if error:
                found.append(f"seed {seed}: {query} of {case(seed)!r}: {error}")
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_20000_random_expressions_are_answered_or_refused(part: int) -> None:
    seeds = range(1_000 + part, 21_000, 20)
    with worker(_SECONDS) as own:
        assert failures(own, [(f"seed {seed}", case(seed)) for seed in seeds]) == []
