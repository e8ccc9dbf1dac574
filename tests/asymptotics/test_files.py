"""Output files appear whole or not at all, and a folder that cannot be written is one sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from asymptotics.files import check_file, check_folder, write_files
from hermite.errors import InputError


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    paths = write_files(folder, {"x.csv": "α\n", "y.png": b"\x00\r\n"})
    assert [p.read_bytes() for p in paths] == ["α\n".encode(), b"\x00\r\n"]
    write_files(folder, {"x.csv": "new"})
    assert sorted(os.listdir(folder)) == ["x.csv", "y.png"]
    assert (folder / "x.csv").read_text() == "new"


def test_a_file_in_the_way_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(InputError) as caught:
            write_files(folder, {"x": ""})
        assert len(caught.value.problems) == 1
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_leaves_the_others_untouched(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="in the way"):
        write_files(tmp_path, {"a": "1", "b": "2"})
    assert os.listdir(tmp_path) == ["b"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_files(tmp_path / "out", {"a": "new", "b": "new"})
    assert os.listdir(tmp_path / "out") == ["a"]
    assert (tmp_path / "out" / "a").read_text() == "old"
    calls.clear()
    with pytest.raises(InputError, match="No space left"):
        write_files(tmp_path / "fresh", {"a": "new", "b": "new"})
    assert not (tmp_path / "fresh").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        write_files(tmp_path / "out", {"a": ""})


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot"):
        write_files(tmp_path / ("x" * 300), {"a": ""})
    with pytest.raises(InputError, match="Cannot"):
        write_files("/proc/nothing/here", {"a": ""})


def test_the_last_folder_is_made_and_no_more(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    assert os.listdir(tmp_path) == []
    write_files(tmp_path / "new", {"a": ""})
    for refused in (tmp_path / "x" / "y", tmp_path / "x" / "y" / "z"):
        for way in (check_folder, lambda folder: write_files(folder, {"a": ""})):
            with pytest.raises(InputError, match="there is no folder"):
                way(refused)
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_an_empty_name_is_refused(name: str) -> None:
    for way in (check_folder, check_file, lambda folder: write_files(folder, {"a": ""})):
        with pytest.raises(InputError, match="name"):
            way(name)


def test_a_file_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("taken", "file/x.html", "no/such/x.html"):
        with pytest.raises(InputError):
            check_file(tmp_path / name)
    check_file(tmp_path / "fresh.html")
    check_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
