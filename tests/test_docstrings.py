"""Every example in a docstring is executed: an example that is not true is a defect."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import asymptotics
import hermite

MODULES = sorted(
    info.name
    for package in (hermite, asymptotics)
    for info in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}.")
)


@pytest.mark.parametrize("name", ["hermite", "asymptotics", *MODULES])
def test_examples_of_a_module_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_packages_flow_one_way() -> None:
    """``asymptotics`` imports ``hermite``, never back."""
    for info in pkgutil.walk_packages(hermite.__path__, prefix="hermite."):
        source = importlib.import_module(info.name).__file__
        assert source is not None
        with open(source, encoding="utf-8") as handle:
            text = handle.read()
        assert "import asymptotics" not in text, info.name
        assert "from asymptotics" not in text, info.name


def test_public_names_exist() -> None:
    for package in (hermite, asymptotics):
        for name in package.__all__:
            assert getattr(package, name) is not None


def test_no_module_bears_the_name_of_a_public_function() -> None:
    public = {name for package in (hermite, asymptotics) for name in package.__all__}
    clashes = [name for name in MODULES if name.rsplit(".", 1)[-1] in public]
    assert clashes == []
