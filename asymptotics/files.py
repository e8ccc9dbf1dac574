"""Files that appear whole or not at all: written under a temporary name, renamed at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from hermite.errors import InputError


def write_files(folder: str | Path, files: Mapping[str, bytes | str]) -> list[Path]:
    """Write ``files`` (name → content; text as UTF-8) into ``folder``; returns the paths.

    The folder is made if it is missing, the folders above it are not: a mistyped path makes no tree of folders.
    All files are complete on disk before the first takes its name; files of the same names are replaced.
    Raises ``InputError`` with one sentence if that cannot be (no permission, disk full, something else in the
    way), and then leaves none of the temporary files.
    """
    folder = _named(folder)
    made = _make_folder(folder)
    temporary = {name: folder / f".{name}.{os.getpid()}.part" for name in files}
    try:
        for name in files:
            if (folder / name).is_dir():
                raise InputError(f"Cannot write {str(folder / name)!r}: a folder of that name is in the way.")
        for name, content in files.items():
            _write(temporary[name], content.encode() if isinstance(content, str) else content)
        for name in files:
            temporary[name].replace(folder / name)
    except OSError as error:
        raise InputError(f"Cannot write into {str(folder)!r}: {error.strerror or error}.") from None
    finally:
        for path in temporary.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        # Only a folder that this call made, and only if nothing came to lie in it.
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return [folder / name for name in files]


def check_folder(folder: str | Path) -> None:
    """Refuse, before any work, a folder that ``write_files`` could not write into; what is there stays as it is."""
    folder = _named(folder)
    made = _make_folder(folder)
    probe = folder / f".giantstep.{os.getpid()}.part"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"Cannot write into {str(folder)!r}: {error.strerror or error}.") from None
    finally:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_file(path: str | Path) -> None:
    """Refuse, before any work, a file that ``write_files`` could not write into its folder."""
    path = _named(path)
    if path.is_dir():
        raise InputError(f"Cannot write {str(path)!r}: a folder of that name is in the way.")
    check_folder(path.parent)


def _named(path: str | Path) -> Path:
    """A path with something in it: an empty name would mean the working folder."""
    if not str(path).strip():
        raise InputError("The name of an output file or folder must not be empty.")
    if "\0" in str(path):
        raise InputError(f"{str(path)!r} is no name of a file or folder.")
    return Path(path)


def _make_folder(folder: Path) -> bool:
    """Make ``folder`` in the folder that holds it; whether it was missing."""
    try:
        missing = not folder.exists()
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        above = str(folder.parent)
        why = f"{above!r} cannot hold one" if folder.parent.is_dir() else f"there is no folder {above!r}"
        raise InputError(f"Cannot make the folder {str(folder)!r}: {why}.") from None
    except FileExistsError:
        raise InputError(f"Cannot write into {str(folder)!r}: a file of that name is in the way.") from None
    except NotADirectoryError:
        raise InputError(f"Cannot make the folder {str(folder)!r}: part of its path is a file.") from None
    except OSError as error:
        raise InputError(f"Cannot make the folder {str(folder)!r}: {error.strerror or error}.") from None
    return missing


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        # A full disk may report itself only here.
        os.fsync(stream.fileno())
