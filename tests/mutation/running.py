"""A change on trial: a fork of this process imports the changed module in place of the true one and runs the tests.

No file is written into the tree, so that nothing can be left there. A test is run only if it meets the changed line,
which a first run of its file has recorded (``Record``), the quickest tests first, up to the first that fails.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

from .changing import Change
from .nearest import ROOT, fingerprint, source

_OPTIONS = [
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:nbmake",
    "-o",
    "addopts=",
    "-m",
    "not slow and not browser",
]
_OPTIONS += ["--benchmark-disable", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


#: CPU seconds of a file of tests after which the rest of it is not recorded.
ENOUGH = 15.0


@dataclass(frozen=True)
class Met:
    """What one test needs and meets: its CPU seconds and the lines of each module that it runs."""

    test: str
    seconds: float
    lines: dict[str, frozenset[int]]


@dataclass(frozen=True)
class Outcome:
    """``killed`` (by which test), ``endless`` (killed by its time), ``survived`` or ``unmet``, and after how many tests."""

    state: str
    by: str = ""
    tests: int = 0
    seconds: float = 0.0


def prepare() -> None:
    """Import what every fork needs and no change touches."""
    import hypothesis
    import mpmath
    import pandas
    import scipy.integrate
    import scipy.interpolate
    import scipy.optimize
    import scipy.stats
    import sympy

    import hermite

    del hypothesis, mpmath, pandas, scipy, sympy
    hermite.Target("He2(z1)")
    os.environ["PYTHONHASHSEED"] = "0"
    gc.freeze()


def record(path: Path, folder: Path) -> list[Met]:
    """Which lines each test of a file meets; kept in ``folder`` while the file stays what it is."""
    kept = folder / f"{path.stem}.{fingerprint(path)}.json"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _forked(lambda: _record(path, kept), 600.0)
    return recorded(kept) if kept.is_file() else []


def recorded(kept: Path) -> list[Met]:
    """What ``record`` kept in a file."""
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return [Met(t, s, {m: frozenset(n) for m, n in lines.items()}) for t, s, lines in rows]


def tried(change: Change, met: Sequence[Met], patience: float) -> Outcome:
    """Run the tests that meet the change, quickest first, as many as need ``patience`` CPU seconds, and at least one."""
    meeting = sorted(
        (
            m
            for m in met
            if change.module in m.lines and (not change.lines or change.lines & m.lines[change.module])
        ),
        key=lambda m: m.seconds,
    )
    chosen: list[Met] = []
    for m in meeting:
        if chosen and sum(c.seconds for c in chosen) + m.seconds > patience:
            break
        chosen.append(m)
    if not chosen:
        return Outcome("unmet")
    started = time.perf_counter()
    expected = sum(m.seconds for m in chosen)
    code, first = _forked(lambda: _test(change, [m.test for m in chosen]), 10.0 + 4 * expected)
    state = {0: "survived", None: "endless"}.get(code, "killed")
    return Outcome(state, first, len(chosen), time.perf_counter() - started)


def _forked(work: Callable[[], tuple[int, str]], seconds: float) -> tuple[int | None, str]:
    """The status and the word of ``work`` in a fork, None if it needs more CPU time than that or hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        signal.alarm(int(8 * seconds) + 60)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        try:
            code, word = work()
        except BaseException as problem:
            code, word = 3, repr(problem)[:200]
        os.write(writing, word.encode()[:4000])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        word = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return (None if os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL} else 4), word
    return os.WEXITSTATUS(status), word


class _Trial:
    """Puts the changed module in its place, and remembers the first test that failed."""

    def __init__(self, change: Change) -> None:
        self.test, self._finder = "", _Changed(change.module, change.tree)

    def pytest_sessionstart(self) -> None:
        # Before pytest's own finder, which takes every "..._test.py" for a file of tests.
        sys.meta_path.insert(0, self._finder)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the changed module in the place of the true one."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module, self._path = module, str(source(module))
        self._code: CodeType = compile(tree, self._path, "exec")

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - our own source, one node of it changed


def _test(change: Change, tests: Sequence[str]) -> tuple[int, str]:
    trial = _Trial(change)
    os.chdir(ROOT)
    code = int(pytest.main([*_OPTIONS, *tests], plugins=[trial]))
    return code, trial.test or ("" if code == 0 else "import")


class _Recorder:
    """Records the lines of ``asymptotics`` that each test runs, what is kept from earlier tests forgotten.

    A test that fails as things are can tell nothing, and is left out.
    """

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.rows: list[tuple[str, float, dict[str, list[int]]]] = []
        self._lines: dict[str, set[int]] = {}
        self._modules: dict[str, set[int] | None] = {}
        self._root = str(ROOT / "asymptotics")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        if sum(seconds for _, seconds, _ in self.rows) > ENOUGH:
            item.session.shouldstop = "enough is recorded"
        _forget()
        self._lines, self._modules = {}, {}
        started = time.process_time()
        sys.settrace(self._called)
        yield
        sys.settrace(None)
        met = {name: sorted(lines) for name, lines in self._lines.items()}
        self.rows.append((item.nodeid, time.process_time() - started, met))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def _called(self, frame: FrameType, event: str, arg: object) -> Any:
        path = frame.f_code.co_filename
        if path not in self._modules:
            self._modules[path] = self._new(path)
        lines = self._modules[path]
        if lines is None:
            return None
        lines.add(frame.f_lineno)

        def line(frame: FrameType, event: str, arg: object) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line

    def _new(self, path: str) -> set[int] | None:
        if not path.startswith(self._root):
            return None
        name = ".".join(Path(path).relative_to(ROOT).with_suffix("").parts)
        return self._lines.setdefault(name, set())


def _forget() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("asymptotics"):
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


def _record(path: Path, kept: Path) -> tuple[int, str]:
    os.chdir(ROOT)
    recorder = _Recorder()
    options = [o for o in _OPTIONS if o != "-x"]
    code = int(pytest.main([*options, str(path.relative_to(ROOT))], plugins=[recorder]))
    kept.write_text(
        json.dumps([row for row in recorder.rows if row[0] not in recorder.failed]), encoding="utf-8"
    )
    return code, ""
