"""Files that appear whole or not at all: written under a temporary name, renamed at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from hermite.errors import InputError


def write_files(folder: str | Path, files: Mapping[str, bytes | str]) -> list[Path]:
    """Write ``files`` (name → content; text as UTF-8) into ``folder``, made if missing; returns the paths.

    All files are complete on disk before the first takes its name; files of the same names are replaced.
    Raises ``InputError`` with one sentence if that cannot be (no permission, disk full, something else in the
    way), and then leaves none of the temporary files.
    """
    folder = Path(folder)
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
        # Only folders that this call made, and only if nothing came to lie in them.
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
    return [folder / name for name in files]


def _make_folder(folder: Path) -> list[Path]:
    """Make ``folder`` and its missing parents; returns those made, innermost first."""
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
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
