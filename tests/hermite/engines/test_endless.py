"""Functions of a user whose E f² has no end are refused without being refined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hermite import Target, leap
from hermite.engines.adaptive import lies_at_the_ends, plane_moments
from hermite.errors import InputError


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.exp(x[:, 0] * x[:, 1]),
        lambda x: np.exp(0.7 * x[:, 0] * x[:, 1]),
        lambda x: np.cosh(x[:, 0] * x[:, 1]) + x[:, 0],
    ],
    ids=["exp", "exp of less", "cosh"],
)
def test_what_lies_at_the_very_ends_is_refused_at_once(f: Callable[[Any], Any]) -> None:
    """E e^{2xy} is infinite: forty million points said so before one looked at where it lies."""
    asked = 0

    def counted(x: Any) -> Any:
        nonlocal asked
        asked += len(x)
        return f(x)

    with pytest.raises(InputError, match="must be finite"):
        leap(Target.from_function(counted, 2))
    assert asked < 2_000_000


def test_what_grows_and_has_an_end_is_not_refused() -> None:
    """E e^{xy/2} of squares: (1 − 1/4)^{−1/2}."""

    def f(x: Any) -> Any:
        return np.exp(0.25 * x[:, 0] * x[:, 1])

    assert not lies_at_the_ends(f)
    found = plane_moments(f, 2, 1.0)
    assert found.energy == pytest.approx((1 - 0.25) ** -0.5, rel=1e-8)
    assert found.energy_error < 1e-6


def test_an_activation_that_is_no_number_far_out_is_refused_with_how_to_write_it() -> None:
    from asymptotics import Network, Ridge, risk

    ridge = Ridge(2.0, 1.0, 0.1)
    with (
        np.errstate(all="ignore"),
        pytest.raises(InputError, match=r"is nan at x = -?26\.\d+: .* write 1/\(1 \+ exp\(-u\)\)"),
    ):
        risk("z1", Network(lambda x: np.exp(x**2) / (1 + np.exp(x**2))), None, ridge)
    written = risk("z1", Network(lambda x: 1 / (1 + np.exp(-(x**2)))), None, ridge)
    assert written.test_error == pytest.approx(
        risk("z1", Network("logistic(x^2)"), None, ridge).test_error, rel=1e-6
    )
