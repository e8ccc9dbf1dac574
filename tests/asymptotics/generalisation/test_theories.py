"""The table of theories: which cover a setting, how sure each is, why not the rest; and no setting is ignored in silence."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk, theories
from asymptotics.caches import SetUps
from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.generalisation import errors, theory, theory_table
from asymptotics.generalisation.ridge_theories.trained_levels import LevelIso
from asymptotics.generalisation.theory import Setting
from asymptotics.generalisation.theory_table import THEORIES, chosen
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + He2(z1)/2", noise=0.1)
TANH = Network("tanh", initialisation="independent")
STARTED, TRAINED = Training(0), Training(1)


def test_every_theory_is_in_the_answer_and_the_one_that_risk_takes_is_marked() -> None:
    for training in (STARTED, TRAINED, Training(2)):
        for ridge in (Ridge(), Ridge(d=100), Ridge(level="iso"), Ridge(d=100, regime="finite")):
            found = theories(F, TANH, training, ridge)
            assert [row.name for row in found] == [t.name for t in THEORIES]
            assert sum(row.answers for row in found) == 1
            assert found.answers is not None
            answer = risk(F, TANH, training, ridge)
            assert answer.solver.startswith(found.answers.name)
            assert answer.validity == found.answers.validity
            for row in found:
                assert row.covers == (not row.reasons)
                assert all(reason[-1] in ".;" for reason in row.reasons)


def test_the_reasons_are_those_that_risk_gives() -> None:
    cases = [
        (Network(bias=0.5), TRAINED, Ridge()),
        (Network(), TRAINED, Ridge(regime="finite")),
        (Network(), Training(1, batch_exponent=1.5), Ridge()),
        (Network(), None, Ridge(regime="fixed-width")),
        (Network(readout="gaussian"), TRAINED, Ridge(level="En+", d=100)),
    ]
    for network, training, ridge in cases:
        found = theories(F, network, training, ridge)
        assert found.answers is None
        with pytest.raises(InputError) as caught:
            risk(F, network, training, ridge)
        assert any(row.reasons == tuple(caught.value.problems) for row in found)


def test_what_a_theory_covers_it_solves_at_the_word_that_asks_for_it() -> None:
    for training in (STARTED, TRAINED):
        for row in theories(F, TANH, training, Ridge(d=100)):
            if row.covers and row.level not in ("matrix", "E+", "En+", "auto"):
                ridge = Ridge(d=100, regime=row.regime, level=row.level or "auto")
                assert risk(F, TANH, training, ridge).solver.startswith(row.name)


def test_a_d_that_only_sets_the_ratios_is_not_called_exact() -> None:
    found = risk(F, Network(), None, Ridge(2.0, 1.0, 0.1, d=60, regime="proportional"))
    assert found.validity == Validity.LEADING_ORDER
    assert "ridge.d = 60" in found.validity_note
    assert risk(F, Network(bias=1.0), None, Ridge(2.0, 1.0, 0.0)).validity == "exact"
    assert "|z|" in risk(F, Network(), None, Ridge(2.0, 1.0, 0.0, d=60)).validity_note


@pytest.mark.parametrize("regime", ["auto", "finite", "proportional"])
def test_a_mean_over_networks_that_does_not_exist_is_not_predicted(regime: str) -> None:
    """λ = 0, d = 60: a neuron of a rare bias sees one sample at σ = u, and fits it by a weight ~ 1/u, E u^-2 = ∞."""
    with pytest.raises(InputError, match="need not exist; choose lambda > 0"):
        risk(F, Network(bias=1.0), None, Ridge(2.0, 1.0, 0.0, d=60, regime=regime))
    assert risk(F, Network(bias=1.0), None, Ridge(2.0, 1.0, 0.01, d=60, regime=regime)).test_error > 0


@pytest.mark.parametrize(
    ("network", "training", "ridge", "words"),
    [
        (Network(width=6), None, Ridge(), "not used: network.width = 6."),
        (Network(width=6), TRAINED, Ridge(), "Not used: network.width = 6."),
        (Network("erf", width=4), TRAINED, Ridge(alpha=3.0, regime="fixed-width"), "ridge.alpha = 3"),
        (
            Network("erf", width=4),
            TRAINED,
            Ridge(beta=3.0, d=80, regime="fixed-width"),
            "ridge.beta = 3",
        ),
    ],
)
def test_a_setting_that_does_not_enter_is_named(network, training, ridge, words) -> None:
    assert words in risk(F, network, training, ridge).validity_note


#: Another value for every setting; what changes nothing at all must be indifferent or said.
OTHER: dict[str, dict[str, Any]] = {
    "network": {
        "activation": "tanh",
        "readout": ((1.5, 0.5), (-1.5, 0.5)),
        "bias": 0.5,
        "initialisation": "symmetric",
    },
    "training": {"alpha": 2.5, "eta": 0.6, "batch_exponent": 1.5, "remove_orders": (0,)},
    "ridge": {"alpha": 1.5, "beta": 1.7, "lam": 0.2, "d": 90},
}


@pytest.mark.parametrize(
    ("training", "ridge"),
    [
        (STARTED, Ridge()),
        (STARTED, Ridge(d=80)),
        (TRAINED, Ridge()),
        (TRAINED, Ridge(level="iso")),
        (TRAINED, Ridge(d=80, level="E")),
        (TRAINED, Ridge(d=80, regime="finite")),
        (TRAINED, Ridge(d=80, regime="finite", level="E")),
        (TRAINED, Ridge(regime="fixed-width")),
        (TRAINED, Ridge(d=80, regime="fixed-width")),
    ],
)
def test_every_setting_moves_the_answer_or_is_refused_or_is_said_or_cannot_matter(training, ridge) -> None:
    f = Target("z1 + He2(z1)/2 + 1/3", noise=0.1)
    width = 4 if ridge.regime == "fixed-width" else "infinite"
    tables = {
        "network": Network("erf", initialisation="independent", width=width),
        "training": training,
        "ridge": ridge,
    }
    answer = risk(f, *tables.values())
    taken = chosen(Setting(f, *tables.values()))
    for table, values in OTHER.items():
        for name, value in values.items():
            moved = tables | {table: replace(tables[table], **{name: value})}
            try:
                found = risk(f, *moved.values())
            except InputError:
                continue
            full = f"{table}.{'lambda' if name == 'lam' else name}"
            if full not in taken.indifferent:
                same = found.test_error == answer.test_error and found.train_error == answer.train_error
                said = full in found.validity_note or "pairs are counted as" in found.validity_note
                assert not same or said, full
            else:
                assert found.test_error == pytest.approx(answer.test_error, rel=1e-12)


def test_a_setting_that_no_theory_knows_is_refused_by_all_but_at_its_default() -> None:
    """A weighting of samples that is added to the library later must not be answered by theories of equal weights."""

    @dataclass(frozen=True)
    class WeightedRidge(Ridge):
        weighting: str = "equal"

        def __post_init__(self) -> None:
            Ridge(**{f.name: getattr(self, f.name) for f in fields(Ridge)})

    for training in (STARTED, TRAINED):
        setting = Setting(F, TANH, training, WeightedRidge(d=80))
        assert chosen(setting) is chosen(replace(setting, ridge=Ridge(d=80)))
        other = replace(setting, ridge=WeightedRidge(d=80, weighting="random"))
        for one in THEORIES:
            assert one.covers(other)
        with pytest.raises(InputError, match=r'does not cover ridge\.weighting = "random"'):
            chosen(other)


def test_words_of_regimes_and_levels_are_those_of_the_settings() -> None:
    assert {str(r) for r in Regime} == {"auto", "proportional", "finite", "fixed-width"}
    assert {str(level) for level in Level} == {"auto", "iso", "E", "matrix", "E+", "En+"}
    for regime in Regime:
        assert Ridge(regime=str(regime)).regime == regime
    for level in Level:
        assert Ridge(level=str(level)).level == level


def test_only_what_is_that_sure_is_called_exact(monkeypatch) -> None:
    assert risk(F, Network(), None, Ridge()).validity == "exact"
    monkeypatch.setattr(theory.ErrorBudget, "forbids_exact", property(lambda self: True))
    assert risk(F, Network(), None, Ridge()).validity == "approximate"


def test_errors_carry_what_the_level_leaves_out() -> None:
    limit = risk(F, TANH, STARTED, Ridge()).error
    assert limit.theory == 0.0
    assert limit.solver is not None
    assert limit.solver < 1e-9
    assert risk(F, TANH, TRAINED, Ridge(level="iso")).error.theory == pytest.approx(0.16)
    level = risk(F, TANH, TRAINED, Ridge()).error.theory
    assert level is not None
    assert 0.005 < level < 0.02
    more = risk(F, TANH, TRAINED, Ridge(alpha=1.0, beta=2.0)).error.theory
    assert level < more < 4 * level
    # At finite d more is left out, and less the larger it is.
    small, large = (risk(F, TANH, TRAINED, Ridge(d=d, level="E")).error.theory for d in (50, 500))
    assert level < large < small


@pytest.mark.parametrize(
    ("network", "training", "ridge"),
    [
        (TANH, STARTED, Ridge()),
        (TANH, STARTED, Ridge(d=80)),
        (TANH, STARTED, Ridge(d=80, regime="proportional")),
        (TANH, TRAINED, Ridge()),
        (TANH, Training(2), Ridge(d=80)),
        (TANH, TRAINED, Ridge(d=80, regime="finite")),
        (Network("erf", width=4), Training(2), Ridge(regime="fixed-width")),
        (Network("relu", "gaussian"), TRAINED, Ridge(d=80)),
    ],
)
def test_no_answer_is_without_an_error(network, training, ridge) -> None:
    found = risk(F, network, training, ridge)
    assert found.error.total is not None
    assert found.validity != "exact" or found.error.total <= 1e-6


@pytest.mark.parametrize("ridge", [Ridge(2.0, 1.0, 0.1), Ridge(1.0, 1.05, 1e-4), Ridge(0.5, 2.0, 1e-3)])
@pytest.mark.parametrize("training", [STARTED, TRAINED])
def test_the_error_of_the_solver_covers_that_of_a_looser_one(ridge, training, monkeypatch) -> None:
    import asymptotics.generalisation.spiked.nonlinear_sector as sector
    from asymptotics.fixed_point import solve

    tight = risk(F, TANH, training, ridge)
    for tol in (1e-3, 1e-5):
        with monkeypatch.context() as patch:
            patch.setattr(sector, "solve", lambda *a, tol=tol, **k: solve(*a, **{**k, "tol": tol}))
            # What a loose solver leaves may be more than a prediction may miss: it is told, not raised.
            loose = risk(F, TANH, training, ridge, throw=False)
        assert loose.error.solver is not None
        assert abs(loose.test_error / tight.test_error - 1) <= loose.error.solver + 1e-12


@pytest.mark.parametrize("network", [Network(), TANH, Network("abs"), Network("x + He2(x)/2")])
def test_one_group_in_closed_form_is_the_solution_of_the_general_equations(network, monkeypatch) -> None:
    import asymptotics.generalisation.spiked.linear_sector as sector

    rng = np.random.default_rng(5)
    points = [Ridge(*np.exp(rng.uniform(-2, 2, 2)), math.exp(rng.uniform(-12, 5))) for _ in range(15)]
    points += [
        Ridge(0.7, 3.0, 0.0),
        Ridge(3.0, 0.7, 0.0),
        Ridge(2.0, math.inf, 0.1),
        Ridge(0.5, math.inf, 0.0),
    ]
    closed = [risk(F, network, STARTED, ridge) for ridge in points]
    assert {found.solution.method for found in closed} == {"closed form"}
    together = errors.risk_curve(F, network, STARTED, points)
    assert [(p.test_error, p.train_error) for p in together] == [
        (p.test_error, p.train_error) for p in closed
    ]
    monkeypatch.setattr(sector, "is_plain", lambda _: False)
    for found, ridge in zip(closed, points, strict=True):
        general = risk(F, network, STARTED, ridge)
        assert general.solution.method != "closed form"
        assert found.error.solver is not None
        assert general.error.solver is not None
        allowed = found.error.solver + general.error.solver + 1e-12
        assert found.test_error == pytest.approx(general.test_error, rel=allowed)
        assert found.train_error == pytest.approx(general.train_error, rel=allowed, abs=1e-14)


@pytest.mark.parametrize("lam", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 1.0), (0.5, 3.0), (1.0, math.inf)])
def test_the_amplification_of_the_closed_form_is_the_inverse_of_its_jacobian(alpha, beta, lam) -> None:
    """By differences of the map itself, in relative units."""
    from asymptotics.generalisation.ridge_theories.proportional_start import start_units
    from asymptotics.generalisation.spiked.one_group import Plain, Point

    units = start_units(Setting(F, Network("relu"), STARTED, Ridge()))
    equations = Plain(units, [Point(alpha, beta, lam)])
    found = equations.errors()
    x, step = np.array([found.W, found.inverse]), 1e-5
    jacobian = np.empty((2, 2))
    for j in range(2):
        up, down = x.copy(), x.copy()
        up[j] *= 1 + step
        down[j] /= 1 + step
        ratio = np.log(np.array(equations.map(*up)) / np.array(equations.map(*down)))
        jacobian[:, j] = ratio[:, 0] / (2 * math.log1p(step))
    expected = np.abs(np.linalg.inv(np.eye(2) - jacobian)).sum(axis=1).max()
    assert found.amplification[0] == pytest.approx(expected, rel=1e-6)


# What a curve keeps ---------------------------------------------------------------------------------------------


def test_what_is_kept_is_bounded_by_bytes_and_read_only() -> None:
    kept = SetUps(limit=3000)
    for i in range(10):
        found = kept.get(i, lambda: np.zeros(100))
        assert not found.flags.writeable
    assert kept.size <= 3000
    assert len(kept) == 3
    assert kept.get("large", lambda: np.zeros(10_000)).shape == (10_000,)
    assert len(kept) == 1


def test_what_is_kept_is_made_once_and_the_least_used_goes_first() -> None:
    kept, made = SetUps(limit=2000), []

    def make(key: str) -> Any:
        return kept.get(key, lambda: made.append(key) or np.zeros(100))

    for key in ("a", "b", "a", "c", "a", "b"):
        make(key)
    assert made == ["a", "b", "c", "b"]


def test_values_that_grow_after_they_were_kept_are_counted() -> None:
    setting = Setting(F, TANH, TRAINED, Ridge())
    from asymptotics.generalisation.ridge_theories.trained_levels import units_of

    units = units_of(setting, Level.E)
    before = setting.set_ups.size
    assert units.features.size
    assert setting.set_ups.size >= before + units.features.nbytes


def test_a_curve_owns_what_it_keeps() -> None:
    before = len(theory_table.SHARED)
    ridges = [Ridge(a, 1.0, 0.07) for a in (0.5, 1.0, 2.0)]
    f = Target("z1 + He2(z1)/7", noise=0.1)
    found = errors.risk_curve(f, TANH, TRAINED, ridges)
    assert len(theory_table.SHARED) == before
    assert found[1] == risk(f, TANH, TRAINED, ridges[1])
    assert math.isfinite(found[0].test_error)


def test_isotropic_residuals_are_the_default_of_reused_batches_alone() -> None:
    def asked(protocol: str, level: str) -> bool:
        return LevelIso().asked(Setting(F, Network(), Training(2, protocol=protocol), Ridge(level=level)))

    assert [asked("giant", level) for level in ("auto", "E", "iso")] == [False, False, True]
    assert [asked("reuse", level) for level in ("auto", "E", "iso")] == [True, False, True]
