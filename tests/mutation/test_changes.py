"""What the changes of ``tests.mutation`` are."""

from __future__ import annotations

import ast

from mutation.changing import changes

SOURCE = '''
"""A docstring with 1 + 1."""
FACTOR: float = 2.0

def f(x: "int" = 3, *, ddof: int = 0) -> float:
    """1 < 2."""
    if x < 0:
        raise ValueError(f"{x + 1} is below 0")
    return FACTOR * x.std(ddof=1) - x.sum()
'''


def told() -> list[tuple[str, str]]:
    return [(change.told, ast.unparse(change.tree)) for change in changes("m", SOURCE, 1)]


def test_each_change_is_another_module_and_comes_once() -> None:
    words, sources = zip(*told(), strict=True)
    assert len(set(sources)) == len(sources)
    assert ast.unparse(ast.parse(SOURCE)) not in sources
    assert sorted(words) == sorted(
        [
            "2.0  ->  4.0",
            "3  ->  4",
            "0  ->  1",  # the default of ddof
            "x < 0  ->  x >= 0",
            "x < 0  ->  x <= 0",
            "0  ->  1",  # what x is compared with
            "FACTOR * x.std(ddof=1) - x.sum()  ->  FACTOR * x.std(ddof=1) + x.sum()",
            "FACTOR * x.std(ddof=1)  ->  FACTOR / x.std(ddof=1)",
            "x.std(ddof=1)  ->  x.std()",
            "1  ->  2",
            "x.sum()  ->  x.mean()",
        ]
    )


def test_text_refusals_and_annotations_are_left_alone() -> None:
    for _, source in told():
        assert "1 < 2" in source
        assert "{x + 1} is below 0" in source
        assert "FACTOR: float" in source


def test_the_seed_decides_the_order() -> None:
    one, again, other = ([c.key for c in changes("m", SOURCE, seed)] for seed in (1, 1, 2))
    assert one == again != other
    assert sorted(one) == sorted(other)


def test_a_change_of_a_constant_is_met_where_the_constant_is_used() -> None:
    (constant,) = [c for c in changes("m", SOURCE, 1) if c.told == "2.0  ->  4.0"]
    assert constant.lines == {9}
    (default,) = [c for c in changes("m", SOURCE, 1) if c.told == "3  ->  4"]
    assert 9 in default.lines
    assert default.line == 5
