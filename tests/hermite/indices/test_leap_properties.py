"""Properties of every target: rotation and permutation equivariance, order relations, inert variables."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermite import Target, leap

LIMITS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
#: Rational rotations: (3, 4, 5) and (5, 12, 13) triangles in a plane.
ANGLES = [(Fraction(3, 5), Fraction(4, 5)), (Fraction(5, 13), Fraction(12, 13)), (Fraction(0), Fraction(1))]


@st.composite
def polynomials(draw: st.DrawFn, r: int = 3) -> str:
    terms = draw(
        st.lists(
            st.tuples(st.integers(-3, 3).filter(bool), st.lists(st.integers(0, 2), min_size=r, max_size=r)),
            min_size=1,
            max_size=5,
        )
    )
    return " + ".join(
        f"({c})" + "".join(f"*z{i + 1}^{k}" for i, k in enumerate(powers) if k) for c, powers in terms
    )


def rotated(text: str, i: int, j: int, c: Fraction, s: Fraction) -> str:
    """The text of f∘R for R in the plane (i, j)."""
    marks = {f"z{k + 1}": f"@{k}" for k in range(3)}
    for name, mark in marks.items():
        text = text.replace(name, mark)
    new = {k: f"z{k + 1}" for k in range(3)}
    new[i], new[j] = f"({c}*z{i + 1} - ({s})*z{j + 1})", f"({s}*z{i + 1} + {c}*z{j + 1})"
    for k in range(3):
        text = text.replace(f"@{k}", new[k])
    return text + f" + 0*z{3}"


@LIMITS
@given(
    polynomials(), st.sampled_from([(0, 1), (0, 2), (1, 2)]), st.sampled_from(ANGLES), st.sampled_from([1, 2])
)
def test_report_of_a_rotated_target_is_the_rotated_report(
    text: str, plane: tuple[int, int], angle: tuple[Fraction, Fraction], level: int
) -> None:
    i, j = plane
    c, s = angle
    plain, turned = leap(Target(f"{text} + 0*z3"), level), leap(Target(rotated(text, i, j, c, s)), level)
    for name in ("relevant_dim", "leap_index", "flag_dims", "isotropic_leap", "closure_dims_by_level"):
        assert getattr(plain, name) == getattr(turned, name)
    assert plain.staircase.dims == turned.staircase.dims
    assert plain.staircase.leading_dims == turned.staircase.leading_dims
    rotation = np.eye(3)
    rotation[[i, i, j, j], [i, j, i, j]] = [float(c), -float(s), float(s), float(c)]
    for a, b in zip(plain.staircase.bases, turned.staircase.bases, strict=True):
        np.testing.assert_allclose(rotation.T @ (a.T @ a) @ rotation, b.T @ b, atol=1e-10)


@LIMITS
@given(polynomials())
def test_indices_stand_in_their_order(text: str) -> None:
    report = leap(Target(text))
    if report.leap_index is None:
        assert report.relevant_dim == 0
        return
    assert report.leap_coordinates is not None
    assert report.isotropic_leap is not None
    assert report.information_exponent == report.leap_index
    assert report.leap_index <= report.leap_coordinates <= report.isotropic_leap
    assert report.closure_dims_by_level[-1] == report.relevant_dim
    assert report.flag_dims[-1] == report.relevant_dim
    complete = report.staircase.dims[-1] + len(report.hard_directions) == report.relevant_dim
    assert complete


@LIMITS
@given(polynomials())
def test_an_inert_variable_changes_no_index(text: str) -> None:
    plain, padded = leap(Target(f"{text} + 0*z3")), leap(Target(f"{text} + 0*z3 + z4 - z4"))
    assert padded.variables == ("z1", "z2", "z3", "z4")
    for name in ("relevant_dim", "leap_index", "flag_dims", "isotropic_leap", "leap_coordinates"):
        assert getattr(plain, name) == getattr(padded, name)
    assert padded.per_coordinate_leap == (*plain.per_coordinate_leap, None)
    assert plain.staircase.dims == padded.staircase.dims


@LIMITS
@given(polynomials(), st.permutations(range(3)))
def test_a_permutation_of_the_variables_changes_nothing(text: str, order: list[int]) -> None:
    marked = text
    for k in range(3):
        marked = marked.replace(f"z{k + 1}", f"@{k}")
    for k in range(3):
        marked = marked.replace(f"@{k}", f"z{order[k] + 1}")
    plain, moved = leap(Target(f"{text} + 0*z3")), leap(Target(f"{marked} + 0*z3"))
    assert [plain.per_coordinate_leap[order.index(i)] for i in range(3)] == list(moved.per_coordinate_leap)
    assert plain.staircase.dims == moved.staircase.dims
    assert plain.leap_coordinates == moved.leap_coordinates
