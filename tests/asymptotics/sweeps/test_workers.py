"""Pools of workers: one loop for all, and a unit whose worker dies is done by another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import threadpoolctl

from asymptotics import blas
from asymptotics.blas import blas_threads, one_thread
from asymptotics.floating import own_floating_state
from asymptotics.sweeps import cluster
from asymptotics.sweeps.children import LIMIT
from asymptotics.sweeps.cluster import Cluster
from asymptotics.sweeps.workers import Pool, Processes, Serial, complete, open_pool
from hermite.errors import InputError


def results(work: Callable[[Any], Any], items: list[Any], pool: Pool) -> dict[Any, Any]:
    found = list(complete(work, items, pool))
    assert len(found) == len(dict(found)), "a unit came back twice"
    return dict(found)


class Fragile:
    """A pool of the kind that dies as a whole: items in ``deadly`` kill it so many times."""

    workers, capacity, fragile = 4, 4, True

    def __init__(self, deadly: dict[int, int]) -> None:
        self.deadly, self.revived = dict(deadly), 0
        self.flying: list[tuple[Future[Any], Callable[[Any], Any], Any]] = []

    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.flying.append((future, work, item))
        threading.Timer(0.01, self.flush).start()
        return future

    def flush(self) -> None:
        flying, self.flying = self.flying, []
        killer = [item for _, _, item in flying if self.deadly.get(item)]
        for future, work, item in flying:
            if killer:
                future.set_exception(BrokenProcessPool("dead"))
            else:
                future.set_result(work(item))
        for item in killer:
            self.deadly[item] -= 1

    def deaths(self, error: BaseException) -> int:
        return int(isinstance(error, BrokenProcessPool))

    def revive(self) -> None:
        self.revived += 1

    def close(self) -> None:
        pass


def test_serial_keeps_the_order_and_hands_over_errors() -> None:
    def work(x: int) -> float:
        return 1 / x

    found = list(complete(work, [1, 0, 2], Serial()))
    assert [item for item, _ in found] == [1, 0, 2]
    assert found[0][1] == 1.0
    assert isinstance(found[1][1], ZeroDivisionError)
    assert list(complete(work, [], Serial())) == []


def test_an_interruption_of_the_work_passes_through() -> None:
    def work(x: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(complete(work, [1], Serial()))


@pytest.mark.parametrize("times", range(LIMIT))
def test_units_in_flight_at_a_death_are_done_again(times: int) -> None:
    pool = Fragile({3: times} if times else {})
    assert results(lambda x: x * x, list(range(4)), pool) == {x: x * x for x in range(4)}
    assert pool.revived == times


def test_the_unit_that_kills_its_worker_is_given_up_and_the_others_are_not() -> None:
    found = results(lambda x: x, list(range(4)), Fragile({3: 100}))
    assert {x: found[x] for x in range(3)} == {0: 0, 1: 1, 2: 2}
    assert isinstance(found[3], InputError)
    assert "died 3 times" in str(found[3])


def test_processes_do_the_work_of_a_dead_worker_again(tmp_path: Path) -> None:
    folder = str(tmp_path)

    def work(x: int) -> tuple[int, int]:
        import os
        import signal
        from pathlib import Path

        mark = Path(folder) / str(x)
        if x == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x, os.getpid()

    pool = open_pool(2, None)
    assert isinstance(pool, Processes)
    try:
        found = results(work, list(range(6)), pool)
    finally:
        pool.close()
    assert {x: value[0] for x, value in found.items()} == {x: x for x in range(6)}
    assert os.getpid() not in {process for _, process in found.values()}


def test_a_pool_that_is_closed_right_after_it_was_fed_fails_in_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The executor's thread is held while work is submitted and the pool closed: it found the work after it had dropped all."""
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    pool = Processes(2)
    busy, go = threading.Event(), threading.Event()
    pool.submit(abs, -1).add_done_callback(lambda _: (busy.set(), go.wait(20)))
    assert busy.wait(20)
    late = pool.submit(time.sleep, 60)
    closing = threading.Thread(target=pool.close)
    closing.start()
    time.sleep(0.2)
    go.set()
    closing.join(20)
    assert not closing.is_alive()
    assert late.exception(timeout=1) is not None
    assert not failed


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_ctrl_c_while_a_worker_is_started_is_the_drivers_alone() -> None:
    """Sent to the whole group from the start on: workers that still import would print a traceback and die."""
    code = (
        "import signal, subprocess, sys\nfrom asymptotics.sweeps.interrupts import unheard\n"
        "try:\n"
        "    with unheard():\n"
        "        child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1); print(1)'])\n"
        "        print(0, flush=True)\n"
        "        child.wait()\n"
        "except KeyboardInterrupt:\n"
        "    print(2)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "0\n"
        os.killpg(driver.pid, signal.SIGINT)
        printed, err = driver.communicate(timeout=20)
    assert (printed, err, driver.returncode) == ("1\n2\n", "", 0)


def test_workers_do_not_hear_of_ctrl_c_while_they_import() -> None:
    """In a fresh program, whose helpers are not running yet: the signal is blocked from the first instruction on."""
    code = (
        "from pathlib import Path\nfrom asymptotics.sweeps.workers import Processes\n"
        "def work(x): return [s for s in Path('/proc/self/status').read_text().splitlines() if s.startswith('SigBlk')][0]\n"
        "if __name__ == '__main__':\n"
        "    pool = Processes(2)\n    print(pool.submit(work, 0).result())\n    pool.close()\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("looks into /proc")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed.split()[1], 16) & (1 << (signal.SIGINT - 1))


def alive(process: int) -> bool:
    """Whether a process runs (a zombie that nobody collects does not)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_workers_end_with_a_killed_driver() -> None:
    code = (
        "import os, time\nfrom asymptotics.sweeps.workers import Processes, complete\n"
        "def work(x):\n    import os, time\n    return os.getpid() if x < 4 else time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    for _, process in complete(work, range(8), Processes(2)): print(process, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        processes = {int(driver.stdout.readline()) for _ in range(4)}
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        deadline = time.monotonic() + 10
        while any(map(alive, processes)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(alive, processes))


def test_threads_of_one_process_share_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[object] = []

    class Limits:
        def limit(self, limits: int, user_api: str) -> Limits:
            events.append(limits)
            return self

        def restore_original_limits(self) -> None:
            events.append("restored")

    monkeypatch.setattr(blas, "_controller", Limits)

    def other() -> None:
        with blas_threads(2):
            events.append("two")

    first, second = blas_threads(1), blas_threads(1)
    first.__enter__()
    second.__enter__()
    waiting = threading.Thread(target=other)
    waiting.start()
    first.__exit__(None, None, None)
    assert events == [1]
    second.__exit__(None, None, None)
    waiting.join()
    assert events == [1, "restored", 2, "two", "restored"]


class _Threads:
    """A BLAS library of four threads."""

    now = 4

    def limit(self, limits: int, user_api: str) -> _Threads:
        saved = _Threads()
        saved.now, _Threads.now = _Threads.now, limits
        return saved

    def restore_original_limits(self) -> None:
        _Threads.now = self.now


def test_a_door_has_one_thread_and_a_unit_of_work_inside_or_beside_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blas, "_controller", _Threads)
    monkeypatch.setattr(blas, "cores", lambda: 8)
    with one_thread():
        assert _Threads.now == 1
        with one_thread(), blas_threads(2):
            assert _Threads.now == 2
            with one_thread():
                assert _Threads.now == 2
        assert _Threads.now == 1
    assert _Threads.now == 4
    # In different threads they need not be nested.
    door, unit = one_thread(), blas_threads(3)
    door.__enter__()
    unit.__enter__()
    door.__exit__(None, None, None)
    assert _Threads.now == 3
    unit.__exit__(None, None, None)
    assert _Threads.now == 4


def test_a_theory_has_one_blas_thread_and_leaves_the_callers_alone() -> None:
    def counts() -> list[int]:
        return [info["num_threads"] for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]

    seen: list[list[int]] = []

    @own_floating_state
    def door() -> None:
        seen.append(counts())

    before = counts()
    door()
    assert set(seen[0]) == {1}
    assert counts() == before


def test_libraries_are_looked_for_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    controller = threadpoolctl.ThreadpoolController

    def counted() -> object:
        built.append(1)
        return controller()

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", counted)
    monkeypatch.setattr(blas, "_found", [])
    for _ in range(20):
        with blas_threads(1):
            assert all(info["num_threads"] == 1 for info in controller().info() if info["user_api"] == "blas")
    assert len(built) == 1
    # A new module may have brought another library.
    monkeypatch.setitem(sys.modules, "a new module", sys)
    with blas_threads(1):
        assert len(built) == 2


# ---- Dask ------------------------------------------------------------------------------------


def test_a_scheduler_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:1", "no such thing", "ftp://x:1"):
        with pytest.raises(InputError, match="Cannot reach a Dask scheduler"):
            open_pool(1, address)


def test_a_local_cluster_does_the_work_of_a_killed_worker_again(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    folder = str(tmp_path)

    def work(x: int) -> int:
        import os
        import signal
        from pathlib import Path

        mark = Path(folder) / str(x)
        if x == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if x == 3:
            raise ValueError("the work's own error")
        return x

    pool = open_pool(2, "local")
    assert isinstance(pool, Cluster)
    try:
        assert pool.workers == 2
        found = results(work, list(range(6)), pool)
        with pytest.raises(InputError, match="has gone; finished units are kept"):
            pool.deaths(CancelledError())
    finally:
        pool.close()
    assert (tmp_path / "2").exists()
    assert isinstance(found.pop(3), ValueError)
    assert found == {x: x for x in (0, 1, 2, 4, 5)}
