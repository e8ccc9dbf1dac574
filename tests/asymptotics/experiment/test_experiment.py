"""Settings are validated when they are built, and an experiment file tells all its problems at once."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment, Network, Ridge, Simulation, Training, sweep
from hermite.errors import InputError

MINIMAL = '[target]\nexpression = "z1 + z1*z2"\n'


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Experiment.from_toml(text)
    return caught.value.problems


def test_defaults_are_those_of_the_documentation() -> None:
    experiment = Experiment.from_toml(MINIMAL)
    assert experiment.target.text == "z1 + z1*z2"
    assert experiment.target.noise == 0.0
    assert experiment.network == Network("relu", "rademacher", 0.0, "symmetric", "infinite")
    assert experiment.trainings == (Training(1, 4.0, 1.0, 1.0, ()),)
    assert experiment.ridges == (Ridge(2.0, 1.0, 0.01, None, "auto", "auto"),)
    assert experiment.simulations == (
        Simulation("direct", 512, 512, 10, 100_000, 0, "numpy", "cpu", "float32", memory="1 GB", threads=1),
    )


def test_the_shipped_example_is_valid() -> None:
    import asymptotics

    text = (Path(asymptotics.__file__).parent / "experiment" / "example.toml").read_text(encoding="utf-8")
    assert len(list(Experiment.from_toml(text).cells())) == 6


def test_grids_multiply_and_units_share_steps_and_lambdas() -> None:
    experiment = Experiment.from_toml(
        MINIMAL
        + """
        [training]
        steps = [0, 1, 2]
        eta = [1.0, 2]
        [ridge]
        alpha = [0.5, 1, 2]
        lambda = [0.1, 0.01]
        [simulation]
        d = [64, 128]
        """
    )
    assert experiment.steps == (0, 1, 2)
    assert len(list(experiment.cells())) == 3 * 2 * 3 * 2
    units = list(experiment.units())
    assert len(units) == 2 * 3 * 2
    assert all(u.steps == (0, 1, 2) and u.lambdas == (0.1, 0.01) for u in units)
    assert {u.training.steps for u in units} == {2}
    assert {(u.training.eta, u.ridge.alpha, u.simulation.d) for u in units} == {
        (e, a, d) for e in (1.0, 2.0) for a in (0.5, 1.0, 2.0) for d in (64, 128)
    }


def test_repeated_grid_values_count_once() -> None:
    experiment = Experiment.from_toml(MINIMAL + "[ridge]\nalpha = [1, 1.0, 2]\n")
    assert [r.alpha for r in experiment.ridges] == [1.0, 2.0]


def test_remove_orders_and_readout_are_lists_but_no_grids() -> None:
    experiment = Experiment.from_toml(
        MINIMAL
        + "[training]\nbatch_exponent = 2\nremove_orders = [0, 1]\n"
        + "[network]\nreadout = [[2.0, 0.25], [0.0, 0.5], [-2.0, 0.25]]\n"
    )
    assert experiment.trainings == (Training(batch_exponent=2, remove_orders=(0, 1)),)
    assert experiment.network.readout == ((2.0, 0.25), (0.0, 0.5), (-2.0, 0.25))


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        """
        stray = 1
        [target]
        expression = "z1 + "
        gramm = 1
        [network]
        bias = true
        width = 3
        activation = "rellu"
        [training]
        steps = [0, -1]
        alpha = 1e999
        etta = 1.0
        [ridge]
        lambda = nan
        beta = []
        regime = "propotional"
        d = 0
        [simulation]
        d = 512.0
        replicates = "ten"
        memory = "1 XB"
        [simulaton]
        """
    )
    text = "\n".join(found)
    for part in (
        "no table [stray]",
        "gramm' (did you mean 'gram'?)",
        "network.bias must be a finite number of at least 0, not True",
        "network.width must be even",
        "network.activation must be",
        "training.steps must be a whole number of at least 0, not -1",
        "training.alpha must be a finite number greater than 0, not inf",
        "'etta' (did you mean 'eta'?)",
        "ridge.lambda must be a finite number of at least 0, not nan",
        "ridge.beta must be",
        "did you mean 'proportional'?",
        "ridge.d must be a whole number of at least 1, not 0",
        "simulation.d must be a whole number of at least 1, not 512.0",
        "simulation.replicates must be",
        "simulation.memory must be",
        "no table [simulaton] (did you mean 'simulation'?)",
    ):
        assert part in text, part
    assert all(p.endswith(".") and "\n" not in p for p in found if not p.startswith("target"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "needs [target]"),
        ("[target]\n", "needs [target]"),
        ("[target]\nexpression = 3\n", "must be a string"),
        ('[target]\nexpression = "exp(z1^2)"\n', "target:"),
        (MINIMAL + "noise = -1\n", "target.noise"),
        (MINIMAL + 'gram = [["1", "2"], ["2", "1"]]\n', "target:"),
        ("target = 3\n", "must be a table"),
        ("[target\n", "not valid TOML"),
        (MINIMAL + "[training]\nremove_orders = [1]\n", "remove_orders must be [], [0] or [0, 1]"),
        (MINIMAL + "[training]\nremove_orders = [2]\n", "remove_orders"),
        (MINIMAL + "[ridge]\nd = 1\n", "at least the target's number of directions, 2"),
        (MINIMAL + "[simulation]\nd = 1\n", "at least the target's number of directions, 2"),
        (MINIMAL + "[simulation]\nwidth = 5\n", "simulation.width must be even"),
        (MINIMAL + "[network]\nreadout = [[1, 0.5], [2, 0.5]]\n", "symmetric under a sign change"),
        (MINIMAL + "[network]\nreadout = [[1, 0.5], [-1, 0.4]]\n", "sum to 0.9"),
        (MINIMAL + "[network]\nreadout = [[1, 0.5, 2]]\n", "pair [value, weight]"),
        (MINIMAL + "[network]\nreadout = []\n", "readout"),
        (MINIMAL + "[ridge]\nalpha = [1, true]\n", "not True"),
    ],
)
def test_one_problem_gets_one_sentence(text: str, part: str) -> None:
    assert part in " ".join(problems(text))


def test_beta_may_be_infinite_but_nothing_else() -> None:
    assert Experiment.from_toml(MINIMAL + "[ridge]\nbeta = inf\n").ridges[0].beta == math.inf
    for key in ("alpha", "lambda"):
        assert problems(MINIMAL + f"[ridge]\n{key} = inf\n")


def test_load_reads_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert Experiment.load(path).target.r == 2
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(MINIMAL.encode())))
    assert Experiment.load("-").target.r == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"#" * (10**6 + 1), None])
def test_unreadable_files_are_one_sentence(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="experiment file") as caught:
        Experiment.load(path)
    assert len(caught.value.problems) == 1


def test_a_folder_is_no_experiment_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        Experiment.load(tmp_path)


def test_settings_are_frozen_hashable_and_checked_when_built() -> None:
    for made in (Network(), Training(), Ridge(), Simulation()):
        hash(made)
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.seed = 1  # type: ignore[misc, union-attr]
    with pytest.raises(InputError) as caught:
        Ridge(alpha=-1, beta=0, lam=float("nan"), d=True)
    assert len(caught.value.problems) == 4
    with pytest.raises(InputError, match=r"network\.width must be even"):
        Network(width=7)
    assert Network(width=7, initialisation="independent").width == 7


def test_numpy_numbers_are_numbers() -> None:
    assert Training(steps=np.int64(2), alpha=np.float32(0.5)) == Training(steps=2, alpha=0.5)
    assert type(Simulation(d=np.int32(8)).d) is int


@pytest.mark.parametrize(
    ("memory", "size"),
    [("1 GB", 10**9), ("512MiB", 512 * 2**20), ("1.5 kB", 1500), ("100 B", 100), (10, 10)],
)
def test_memory_is_read_in_bytes(memory: Any, size: int) -> None:
    assert Simulation(memory=memory).memory == size


@pytest.mark.parametrize("memory", ["1 GX", "-1 GB", "", "GB", "0 GB", True, 1.5, "1e9 GB", "1 iB"])
def test_bad_memory_is_refused(memory: Any) -> None:
    with pytest.raises(InputError, match="memory"):
        Simulation(memory=memory)


def test_sizes_are_rounded_to_whole_numbers() -> None:
    assert Training(alpha=0.5, batch_exponent=1.5).n(100) == 500
    assert Ridge(alpha=1.3, beta=0.5).n2(101) == round(131.3)
    assert Ridge(beta=0.5).p(50) == 26
    assert Ridge(beta=0.5).p(50, symmetric=False) == 25
    with pytest.raises(InputError, match="finite"):
        Ridge(beta=math.inf).p(50)
    assert Training(eta=2.0, batch_exponent=2).learning_rate(100) == pytest.approx(20.0)
    assert Training(alpha=1e-9).n(100) == 1
    for absurd in (lambda: Training(batch_exponent=1e9).n(100), lambda: Ridge(alpha=1e308).n2(100)):
        with pytest.raises(InputError, match="below"):
            absurd()


def test_several_steps_at_large_batches_are_for_the_simulation_only() -> None:
    assert Training(steps=2, batch_exponent=2).simulation_only
    assert not Training(steps=1, batch_exponent=2).simulation_only
    assert not Training(steps=3, batch_exponent=1.5).simulation_only


def test_finite_readouts_have_the_shares_of_the_law() -> None:
    def readout(p: int, **settings: Any) -> list[float]:
        return Network(**settings).finite_readout(p).tolist()

    assert readout(6) == [1, 1, 1, -1, -1, -1]
    assert readout(5, initialisation="independent") == [1, 1, 1, -1, -1]
    law = ((1.0, 0.1), (0.0, 0.8), (-1.0, 0.1))
    assert readout(10, readout=law) == [1, *[0] * 8, -1]
    skewed = [(3, 0.7), (-1, 0.3)]
    assert readout(4, readout=skewed, initialisation="independent") == [3, 3, 3, -1]
    with pytest.raises(InputError, match="even"):
        Network().finite_readout(3)


@pytest.mark.parametrize("p", [2, 10, 1000])
def test_the_gaussian_readout_is_made_of_quantiles(p: int) -> None:
    from scipy.stats import norm

    readout = Network(readout="gaussian").finite_readout(p)
    assert np.allclose(np.sort(readout), norm.ppf((np.arange(p) + 0.5) / p), atol=1e-12)
    assert np.array_equal(readout, -readout[::-1])
    assert (readout[: p // 2] > 0).all()


def test_gaussian_atoms_integrate_polynomials_exactly() -> None:
    values, weights = Network(readout="gaussian").readout_atoms()
    assert weights.sum() == pytest.approx(1.0)
    assert (weights @ values**2, weights @ values**4) == (pytest.approx(1.0), pytest.approx(3.0))
    assert Network(readout="gaussian").readout_moment(6) == pytest.approx(15.0)
    assert Network().readout_moment(2) == 1.0


def test_a_callable_activation_is_kept() -> None:
    assert Network(activation=np.tanh).activation is np.tanh
    with pytest.raises(InputError, match=r"network\.activation"):
        Network(activation=3)


@pytest.mark.parametrize(
    ("key", "given", "plain"),
    [
        ("training", {"alpha": (1.0, 2.0), "steps": range(3)}, {"alpha": [1.0, 2.0], "steps": [0, 1, 2]}),
        (
            "training",
            {"eta": np.array([0.5, 1.0]), "steps": np.arange(2), "remove_orders": range(2)},
            {"eta": [0.5, 1.0], "steps": [0, 1], "remove_orders": [0, 1]},
        ),
        ("ridge", {"lambda": np.float64(0.1), "alpha": np.array(2)}, {"lambda": 0.1, "alpha": 2}),
        ("network", {"readout": np.array([[1, 0.5], [-1, 0.5]])}, {"readout": [[1, 0.5], [-1, 0.5]]}),
        ("simulation", {"d": (16, np.int64(20))}, {"d": [16, 20]}),
    ],
)
def test_a_grid_is_any_sequence(key: str, given: dict[str, Any], plain: dict[str, Any]) -> None:
    target = {"target": {"expression": "z1"}}
    assert Experiment.from_dict(target | {key: given}) == Experiment.from_dict(target | {key: plain})


@pytest.mark.parametrize(
    "data", [None, [1, 2], "text", 3, {"target": None}, {3: {}}, {"target": {"expression": []}}]
)
def test_what_is_no_experiment_is_refused_in_sentences(data: Any) -> None:
    with pytest.raises(InputError):
        Experiment.from_dict(data)


@pytest.mark.parametrize("seed", [2**63, 2**64 + 1, 2**128 - 1, np.random.SeedSequence(1).entropy])
def test_a_seed_may_have_as_many_bits_as_entropy_has(seed: Any) -> None:
    assert Simulation(seed=seed).seed == seed
    table = {
        "target": {"expression": "z1"},
        "simulation": {"seed": seed, "d": 10, "width": 4, "test_samples": 50},
    }
    given = Experiment.from_dict(table | {"training": {"steps": 0}})
    result = sweep(given)
    assert result.rows[0]["seed"] == seed
    assert str(result.to_frame()["seed"][0]) == str(seed)
    with pytest.raises(InputError, match="seed"):
        Simulation(seed=-1)
