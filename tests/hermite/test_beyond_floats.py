"""Numbers too large or too small for floats are shown in decimals and are null in JSON, never 0 or an infinity."""

from __future__ import annotations

import json

import pytest
from mpmath import erfc, exp, mp, mpf, pi, sqrt

from asymptotics import plateaus
from asymptotics.text.target_tables import expansion_text
from hermite import InputError, expand


def _tail_moments(x: mpf) -> tuple[mpf, mpf]:
    """E relu(z − a) and E relu(z − a)²."""
    with mp.workdps(60):
        density, mass = exp(-x * x / 2) / sqrt(2 * pi), erfc(x / sqrt(2)) / 2
        return density - x * mass, (1 + x * x) * mass - x * density


@pytest.mark.parametrize("a", ["39", "60", "77/2"])
def test_a_coefficient_that_underflows_is_no_zero(a: str) -> None:
    mean, square = _tail_moments(_parsed(a))
    document = expand(f"relu(z1-{a})", order=2).to_dict()
    for path, value, right in (
        ("coefficients.0", document["coefficients"]["0"]["value"], mean),
        ("total_energy", document["total_energy"], square),
    ):
        with mp.workdps(60):
            shown = mpf(document["beyond_floats"][path]) if value is None else mpf(value)
            assert abs(shown / right - 1) < (1e-5 if value is None else 1e-1)
    assert document["total_energy"] is None or document["total_energy"] > 0
    text = expansion_text(json.loads(json.dumps(document, allow_nan=False)))
    assert not any(line.split("  ")[-1].strip() == "0" for line in text.splitlines() if line.startswith("("))


def _parsed(text: str) -> mpf:
    top, _, bottom = text.partition("/")
    with mp.workdps(60):
        return mpf(top) / mpf(bottom or "1")


@pytest.mark.parametrize(
    ("text", "shown", "exact"), [("(1e200*z1)^2", "2e+800", 2 * 10**800), ("1e-200*z1*z2", "1e-400", None)]
)
def test_plateaus_beyond_floats_show_their_decimal(text: str, shown: str, exact: int | None) -> None:
    table = plateaus(text)
    assert shown in repr(table)
    assert "inf" not in repr(table)
    row = table.to_dict()["rows"][0]
    assert row["plateaus"][0] is None
    assert row["plateaus"][-1] == 0.0
    if exact is not None:
        assert row["plateaus_exact"][0] == str(exact)


@pytest.mark.parametrize(
    "text", ["relu(z1-50)", "exp(1e3*z1-1)", "1e-200*tanh(z1*1e-200)", "tanh(1e-170*z1)*relu(z2)"]
)
def test_numerical_plateaus_that_no_float_holds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="scale it"):
        plateaus(text)


def test_fractions_of_thousands_of_digits_are_read_back() -> None:
    row = plateaus("He(5,((1/3)*z1-.5+1e-300)^3)").to_dict()["rows"][0]
    assert len(row["plateaus_exact"][0]) > 4300
    assert row["plateaus"][0] > 0


def test_what_floats_hold_is_a_float() -> None:
    document = expand("relu(z1-13)", order=2).to_dict()
    assert document["beyond_floats"] == {}
    assert all(entry["value"] > 0 for entry in document["coefficients"].values())
    assert plateaus("relu(z1)-relu(z1)").rows[0].plateaus[0] == 0.0
