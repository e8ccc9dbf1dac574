"""The documentation: its pages build without a warning, and what the table of claims names exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLAIMS = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in CLAIMS.splitlines() if line.startswith("| ") and "{py" in line]


def test_every_claim_has_a_function_a_test_and_a_notebook() -> None:
    assert len(ROWS) >= 8
    for row in ROWS:
        assert len(row) == 4
        for name in re.findall(r"\{py:func\}`~([\w.]+)`", row[1]):
            module, _, function = name.rpartition(".")
            assert callable(getattr(importlib.import_module(module), function))
        tests = re.findall(r"`([\w/]+\.py)::(\w+)`", row[2])
        assert tests
        for file, test in tests:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test
        notebooks = re.findall(r"\((notebooks/[\w-]+\.ipynb)\)", row[3])
        assert notebooks
        assert all((ROOT / notebook).exists() for notebook in notebooks)


def test_every_kind_of_fault_that_use_has_shown_has_its_tests() -> None:
    page = (ROOT / "docs" / "outside-use.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!kind of fault)([^|]+) \| ([^|]+) \|$", page, re.M)
    assert len({kind for kind, _ in rows}) == len(rows) >= 40
    for kind, cell in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)
        assert tests, kind
        for file, test in tests:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{kind}: {file}::{test}"


BLOCKS = [
    pytest.param(code, id=f"{page.stem} {place}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for place, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    )
]


@pytest.mark.parametrize("code", BLOCKS)
def test_every_block_of_python_on_a_page_runs(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_floor_plan_shows_every_room() -> None:
    plan = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    for package in ("hermite", "asymptotics"):
        rooms = Counter(
            path.parent.name for path in (ROOT / package).rglob("__init__.py") if path.parent.name != package
        )
        assert rooms
        # Two rooms may have one name, in two places of the plan.
        assert [room for room, n in rooms.items() if len(re.findall(rf"\b{room}\b", plan)) < n] == []


PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKED = {
    page: re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S))
    for page in PAGES
}


def spelled_out(path: str) -> list[str]:
    """``a/{b,c}.py`` is a/b.py and a/c.py."""
    match = re.fullmatch(r"(.*)\{([\w,]+)\}(.*)", path)
    return [path] if match is None else [f"{match[1]}{name}{match[3]}" for name in match[2].split(",")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    folders = ("hermite", "asymptotics", "tests", "docs", "examples", "notebooks", "figures")
    named = [
        path
        for word in MARKED[page]
        if re.fullmatch(rf"(?:{'|'.join(folders)})/[\w/.{{}},-]*(?:::\w+)?", word)
        for path in spelled_out(word.partition("::")[0])
    ]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_the_guide_for_authors_names_is_in_the_tree() -> None:
    """Classes, tables and targets of make: the answers of "Where do I put ..." hold."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("hermite", "asymptotics")
        for path in (ROOT / package).rglob("*.py")
    )
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = MARKED[ROOT / "CONTRIBUTING.md"]
    assert len([word for word in words if "/" in word]) > 10
    for word in words:
        if re.fullmatch(r"[A-Z]\w+(\.\w+)?", word) and not (ROOT / word).exists():
            holder, _, part = word.partition(".")
            assert re.search(rf"^(class {holder}\b|{holder}\b[^\n]* =)", sources, re.M), word
            assert not part or f"def {part}(" in sources, word
        if word.startswith("make "):
            for target in word.split()[1:]:
                assert re.search(rf"^{target}:", make, re.M), word


def test_conventions_are_cited_from_where_they_are() -> None:
    """Docstrings and pages cite pages that the repository has."""
    for folder in ("hermite", "asymptotics", "docs", "tests", "examples"):
        for path in (*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")):
            if "_build" in path.parts:
                continue
            cited = re.findall(r"\bdocs/[\w-]+(?:\.md)?\b(?!/)", path.read_text(encoding="utf-8"))
            for name in cited:
                found = ROOT / (name if "." in name else f"{name}.md")
                assert found.exists() or (ROOT / name).exists(), (path, name)


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "myst_nb", "furo")),
    reason="needs the extra docs",
)
def test_pages_build_without_a_warning(tmp_path: Path) -> None:
    """Without executing the notebooks, which are tests of their own."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-E",
        "-D",
        "nb_execution_mode=off",
    ]
    folders = ["-d", str(tmp_path / "trees"), "-b", "html", str(ROOT / "docs"), str(tmp_path / "html")]
    result = subprocess.run([*command, *folders], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "html" / "public.html").read_text(encoding="utf-8")
    for package in ("hermite", "asymptotics"):
        module = importlib.import_module(package)
        for name in module.__all__:
            assert f'id="{module._HOME[name]}.{name}"' in page
    assert ":class:" not in page
