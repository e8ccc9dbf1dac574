"""The house: every public name has its home and its type, whatever is imported first."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import asymptotics
import hermite
from asymptotics import figures

ROOT = Path(__file__).parents[1]
PACKAGES = (hermite, asymptotics)
MODULES = sorted(
    info.name
    for package in PACKAGES
    for info in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}.")
)


def test_public_names_survive_the_import_of_every_module() -> None:
    """A module or package of the same name would replace the function, depending on what is imported first."""
    code = (
        "import importlib, sys, types\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "import asymptotics, hermite\n"
        "for package in (hermite, asymptotics):\n"
        "    for name in package.__all__:\n"
        "        value = getattr(package, name)\n"
        "        assert callable(value) and not isinstance(value, types.ModuleType), name\n"
        "        assert value.__module__ == package._HOME[name], (name, value.__module__)\n"
        "assert hermite.leap(hermite.Target('z1+z1*z2')).leap_index == 1\n"
        "assert asymptotics.plateaus(hermite.Target('z1+z1*z2'))[0].dim == 0\n"
    )
    subprocess.run([sys.executable, "-c", code, *MODULES], check=True)


def test_no_room_has_a_module_of_its_own_name() -> None:
    for name in MODULES:
        *_, room, module = name.split(".")
        assert room != module, name


def test_no_two_files_of_tests_have_one_name() -> None:
    """Without packages, pytest imports a file of tests by its name alone and refuses the second."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


def test_notebooks_import_public_names_only() -> None:
    """From the two packages, and from the figures: never from where a thing happens to live."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            code = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                    ("hermite", "asymptotics")
                ):
                    face = importlib.import_module(str(node.module))
                    assert str(node.module) in ("hermite", "asymptotics", "asymptotics.figures"), path.name
                    assert {name.name for name in node.names} <= set(face.__all__), path.name


def test_names_of_tests_are_long_enough_to_state_something() -> None:
    """``test_basic`` and ``test_reference`` say what is looked at, not what holds: three words are the least of a sentence."""
    short = [
        (path.name, node.name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and re.match(r"test_[^_]+(_[^_]+)?$", node.name)
    ]
    # Subject and verb alone: these are sentences.
    sentences = {"test_it_prints", "test_bounds_hold", "test_sympy_agrees"}
    assert [name for name in short if name[1] not in sentences] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_room_says_which_question_it_answers(package: object) -> None:
    folder = ROOT / package.__name__  # type: ignore[attr-defined]
    rooms = [path for path in folder.rglob("__init__.py") if path.parent != folder]
    assert rooms
    for path in rooms:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_names_for_the_type_checker_are_the_names_at_run_time(package: object) -> None:
    """Lazy names are ``Any`` to a type checker unless the TYPE_CHECKING block imports them from their home."""
    tree = ast.parse((ROOT / package.__name__ / "__init__.py").read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    block = next(
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    typed = {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == package._HOME  # type: ignore[attr-defined]
    assert set(typed) == set(package.__all__)  # type: ignore[attr-defined]


def test_a_type_checker_sees_the_type_of_every_public_name(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    faces = (*PACKAGES, figures)
    names = [(face.__name__, name) for face in faces for name in face.__all__]
    file = tmp_path / "names.py"
    file.write_text(
        "import asymptotics.figures\nimport hermite\n"
        + "".join(f"reveal_type({package}.{name})\n" for package, name in names)
    )
    command = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache")]
    out, _, _ = api.run([*command, "--follow-imports=silent", "--output=json", str(file)])
    rows = map(json.loads, out.splitlines())
    found = {row["line"]: row["message"] for row in rows if row["message"].startswith("Revealed")}
    for line, (package, name) in enumerate(names, start=3):
        assert found[line] != 'Revealed type is "Any"', (package, name)
        assert not found[line].endswith('-> Any"'), (package, name)


#: Tables that came as numbers, without a program: no more of them.
HANDED = {
    f"{name}.json"
    for name in (
        *(
            "targets",
            "ridge",
            "one_step",
            "multistep",
            "multistep_table",
            "overlaps",
            "reuse",
            "online",
            "online_full",
        ),
        *("pairs", "leap2", "mixtures", "losses"),
    )
}


def test_every_table_of_numbers_says_where_it_comes_from() -> None:
    data = ROOT / "tests" / "data"
    text = (data / "README.md").read_text(encoding="utf-8")
    tables = {
        path.name
        for path in data.iterdir()
        if path.suffix not in (".md", ".py") and path.name != "__pycache__"
    }
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    assert {row[0].strip("`") for row in rows} == tables
    for name, _, made, trust, checked in rows:
        handed = name.strip("`") in HANDED
        assert made == "handed" if handed else re.match(r"`(python|giantstep) \S+", made), name
        assert trust
        named = re.findall(r"tests/[\w./]+", checked)
        assert named, name
        assert all((ROOT / path).exists() for path in named), name
    assert all(f"python tests/data/{path.name}" in text for path in data.glob("*.py"))


def test_no_import_hides_from_the_check_of_imports() -> None:
    """What is imported by a text is seen by no contract: public names alone are found so (``hermite.lazy``)."""
    hidden = [
        path.name
        for package in PACKAGES
        for path in (ROOT / package.__name__).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
    ]
    assert hidden == ["lazy.py"]


def test_arrays_are_remembered_by_their_bytes_and_never_by_their_number() -> None:
    """``lru_cache`` counts entries and hands out arrays that can be written into; ``caches.remembered`` does neither.

    A few fixed tables, made read-only where they are made, are as good.
    """
    found = [
        (path.name, node.name)
        for package in PACKAGES
        for path in (ROOT / package.__name__).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(re.match(r"(functools\.)?(lru_)?cache\b", ast.unparse(mark)) for mark in node.decorator_list)
        and re.search(r"Array|ndarray", ast.unparse(node.returns or ast.Constant("Array")))
        and not (
            re.search(r"cache\(maxsize=[1-8]\)", ast.unparse(node.decorator_list[0]))
            and "flags.writeable = False" in ast.unparse(node)
        )
    ]
    assert found == []


def test_names_of_tests_are_of_their_room() -> None:
    """The folders of the tests are those of the packages: who looks for a room's tests finds them."""
    for package in PACKAGES:
        rooms = {path.name for path in (ROOT / package.__name__).iterdir() if path.is_dir()}
        folders = {path.name for path in (ROOT / "tests" / package.__name__).iterdir() if path.is_dir()}
        assert folders - {"__pycache__"} <= rooms
