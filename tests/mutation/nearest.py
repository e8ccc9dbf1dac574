"""The nearest tests of a module: those of its room, and those that name it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FAR = {"benchmarks", "browser", "challenge", "mutation"}


def modules(package: str = "asymptotics") -> list[str]:
    """Every module of the package that holds code, by its dotted name."""
    found = sorted((ROOT / package).rglob("*.py"))
    return [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in found if p.name != "__init__.py"]


def source(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def nearest(module: str) -> list[Path]:
    """The files of tests that are near: the room's own first, then those that import it or name it."""
    package, *rooms, name = module.split(".")
    own = sorted((ROOT / "tests" / package / rooms[0]).glob("test_*.py")) if rooms else []
    named = [p for p, text in _texts().items() if p not in own and _names(text, module, name)]
    return own + named


def _names(text: str, module: str, name: str) -> bool:
    return module in text or f"from {module.rpartition('.')[0]} import {name}" in text


@cache
def _texts() -> dict[Path, str]:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return {p: p.read_text(encoding="utf-8") for p in files if not _FAR & set(p.parts)}


def fingerprint(path: Path) -> str:
    """What a file is known by: what was recorded of it holds while this stays."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
