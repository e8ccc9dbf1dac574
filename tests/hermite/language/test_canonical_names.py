"""One text for one function: what names a target in a store."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from expression_grammar import expression

from hermite import Target
from hermite.errors import InputError
from hermite.language.canonical_names import canonical_form
from hermite.language.parsing import parse
from hermite.language.printing import to_text


def name(text: str) -> str:
    return to_text(canonical_form(parse(text)))


@pytest.mark.parametrize(
    "forms",
    [
        ("z1 + z1*z2", "z1*z2+z1", "z2*z1 + z1", "z1*(1 + z2)", "z1 + z1*z2 + 0", "(z1 + z2*z1)*2/2"),
        ("He2(z1)", "z1^2 - 1", "-1 + z1*z1", "He(2, z1)", "He2(-z1)"),
        ("tanh(z1)*z2 + z1", "z1 + z2*tanh(z1)", "z1 - z2*tanh(-z1)"),
        ("max(z1, z2, z3)", "max(z3, z1, z2)"),
        ("relu(z1 + z2) + 3*sign(z1)", "sign(z1) + relu(z2 + z1) + 2*sign(z1)"),
        ("z1*sqrt(2) + z2", "z2 + sqrt(2)*z1"),
        ("tanh((z1+z2)^2)", "tanh(z1^2 + 2*z1*z2 + z2^2)"),
    ],
)
def test_forms_that_are_equal_after_reordering_or_expanding_have_one_name(forms: tuple[str, ...]) -> None:
    assert len({name(form) for form in forms}) == 1
    assert name(name(forms[0])) == name(forms[0])


def test_other_functions_have_other_names() -> None:
    texts = [
        "z1",
        "z1 + 1",
        "2*z1",
        "z1*z2",
        "z1^2",
        "He2(z1)",
        "tanh(z1)",
        "-tanh(z1)",
        "max(z1,z2)",
        "min(z1,z2)",
    ]
    assert len({name(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text", ["z1 + z1*z2", "z1 + He2(z1)/2", "z1 + z1*z2 + z1*z2*z3", "He3(z1)", "z1*z2", "tanh(z1)"]
)
def test_usual_targets_keep_the_name_that_earlier_versions_gave_them(text: str) -> None:
    assert name(text) == to_text(parse(text))


def test_a_name_means_the_function_that_it_names() -> None:
    z = np.random.default_rng(0).normal(size=(50, 20))
    compared = 0
    for seed in range(300):
        text = expression(Random(seed), 3)
        try:
            f = Target(text, variables=tuple(f"z{i + 1}" for i in range(20)))
            g = Target(name(text), variables=f.variables)
            with np.errstate(all="ignore"):
                a, b = f(z), g(z)
        except InputError:
            continue
        finite = np.isfinite(a) & np.isfinite(b) & (np.abs(a) < 1e100)
        scale = 1e-6 * np.abs(a[finite]).max(initial=1e-300)
        if finite.any():
            # Signs at ties and cancellations of huge constants are rounding's.
            assert np.mean(np.abs(a[finite] - b[finite]) <= scale) > 0.9, text
            compared += 1
    assert compared > 150


@pytest.mark.parametrize("text", ["(z1+z2)^100", "10^399*z1 + 9*10^399*z1 + tanh(z1)", "He100(z1)*He100(z2)"])
def test_what_has_too_many_terms_or_digits_is_named_at_once(text: str) -> None:
    begin = time.process_time()
    assert len(name(text)) < 10_000
    assert time.process_time() - begin < 2
