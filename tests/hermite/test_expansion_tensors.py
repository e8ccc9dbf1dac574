"""C_k as an array: equal to the sum over arrangements, whatever the order, in time of the array itself."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from hermite import InputError, Target, expand


def arranged(f: Target, k: int) -> np.ndarray:
    """The tensor, entry by entry of the distinct arrangements of every multi-index."""
    e = expand(f, k)
    tensor = np.zeros((f.r,) * k)
    for alpha in e.coefficients():
        if sum(alpha) == k:
            for index in set(permutations([i for i, a in enumerate(alpha) for _ in range(a)])):
                tensor[index] = e.value(alpha)
    return tensor


@pytest.mark.parametrize(
    "text",
    ["max(z1,z2)", "z1*z2^2*z3 + z1 + 3*z2^4 + relu(z3)", "He4(z1) + z1", "exp(z1/2)*z2*z4", "z2 - z2"],
)
@pytest.mark.parametrize("k", range(6))
def test_a_tensor_is_its_arrangements(text: str, k: int) -> None:
    f = Target(text)
    np.testing.assert_array_equal(expand(f, k).tensor(k), arranged(f, k))


def test_a_tensor_of_high_order_lists_no_arrangements() -> None:
    """20! = 2.4e18 orders of the axes; the array has 2^20 entries."""
    tensor = expand(Target("z1^10*z2^10")).tensor(20)
    assert tensor.shape == (2,) * 20
    assert np.count_nonzero(tensor) == 184_756
    assert tensor.max() == 13_168_189_440_000


@pytest.mark.parametrize(("text", "k"), [("He100(z1)", 100), ("He8(z1+z2+z3+z4+z5+z6+z7+z8+z9+z10)", 8)])
def test_a_tensor_that_fits_no_array_is_refused(text: str, k: int) -> None:
    with pytest.raises(InputError, match="too large"):
        expand(Target(text)).tensor(k)
