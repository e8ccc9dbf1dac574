"""hardness(): every reference row, the exponents of the table, other inputs, finite d, the command."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner
from target_table import ROWS

from asymptotics.commands.cli import cli
from hermite import Hardness, InputError, Target, hardness, leap

NAMES = [
    "one giant step",
    "T giant steps at n = Θ(d)",
    "T giant steps at n = Θ(d²)",
    "one-pass SGD",
    "smoothed SGD / CSQ-optimal",
    "reused batches",
    "SQ / low-degree optimal",
    "AMP weak recovery",
]
STATUS = {"theorem", "conjecture", "heuristic", "as recalled"}


@pytest.fixture(scope="module")
def reports() -> dict[str, Hardness]:
    return {row["target"]: hardness(Target(row["target"]), d=1000) for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=[row["target"] for row in ROWS])
def test_the_reference_table_is_met(row: dict[str, object], reports: dict[str, Hardness]) -> None:
    report = reports[str(row["target"])]
    exponent = row["generative_exponent"]
    assert report.boolean_leap == row["boolean_leap"]
    assert list(report.biased_d1_dims or ()) == row["biased_d1_dims"]
    assert report.generative_exponent == exponent
    assert report.generative_bounds == (exponent, exponent)
    assert list(report.grand_staircase_dims or ()) == (row["grand_staircase_dims"] or [])
    assert (report.trivial_subspace or []) == (row["trivial_subspace"] or [])
    assert report.basis_free_staircase.holds is (row["isotropic_leap"] in (1, None))
    if row["alpha_c"] == "infinity":
        assert report.alpha_c == math.inf
    elif isinstance(row["alpha_c"], float):
        # The table has two to three digits.
        assert report.alpha_c == pytest.approx(row["alpha_c"], rel=0.02)
    elif row["trivial_subspace"] or not exponent:
        assert report.alpha_c is None
    assert [one.algorithm for one in report.rows] == NAMES
    assert {one.status for one in report.rows} <= STATUS
    assert all("arXiv:" in one.source for one in report.rows)


@pytest.mark.parametrize("row", ROWS, ids=[row["target"] for row in ROWS])
def test_exponents_follow_from_the_indices(row: dict[str, object], reports: dict[str, Hardness]) -> None:
    report = reports[str(row["target"])]
    exponents = {one.algorithm: one.exponent for one in report.rows}
    isotropic, generative = row["isotropic_leap"], row["generative_exponent"]
    assert exponents["one giant step"] == row["leap_index"]
    if not isinstance(isotropic, int):
        assert set(exponents.values()) == {None}
        return
    assert exponents["one-pass SGD"] == max(isotropic - 1, 1)
    assert exponents["smoothed SGD / CSQ-optimal"] == max(isotropic / 2, 1)
    assert isinstance(generative, int)
    assert exponents["SQ / low-degree optimal"] == max(generative / 2, 1)
    # An optimal algorithm with all functions of the label needs no more than one with correlations only.
    assert generative <= isotropic
    sizes = {one.algorithm: one.n for one in report.rows if one.exponent is not None}
    for name, n in sizes.items():
        constant = {one.algorithm: one.constant for one in report.rows}[name]
        expected = None if constant == 0 else (constant or 1.0) * 1000.0 ** float(exponents[name] or 0)
        assert n == pytest.approx(expected)


def test_each_algorithm_learns_its_directions() -> None:
    rows = {row.algorithm: row for row in hardness(Target("z1 + He4(z2)")).rows}
    assert rows["one giant step"].learned == [["1", "0"]]
    assert rows["T giant steps at n = Θ(d²)"].learned == [["1", "0"]]
    assert rows["reused batches"].learned == [["1", "0"], ["0", "1"]]
    hidden = {row.algorithm: row for row in hardness(Target("sign(z1*z2*z3)")).rows}
    assert hidden["reused batches"].learned == []
    assert hidden["AMP weak recovery"].exponent is None


def test_boolean_inputs_have_rows_of_their_own() -> None:
    staircase = {
        row.algorithm: row for row in hardness(Target("z1+z1*z2+z1*z2*z3"), inputs="rademacher").rows
    }
    assert staircase["T giant steps at n = Θ(d)"].learned_dim == 3
    xor = {row.algorithm: row for row in hardness(Target("z1*z2"), inputs="rademacher").rows}
    assert xor["T giant steps at n = Θ(d)"].exponent is None
    assert xor["minibatch SGD (XOR)"].exponent == 1
    even = hardness(Target("He4(z1)"), inputs="rademacher")
    assert even.boolean_leap is None
    assert {row.learned_dim for row in even.rows} == {0}


def test_biased_inputs_have_rows_of_their_own() -> None:
    rows = hardness(Target("z1*z2 + z3*z4"), d=100, inputs="biased").rows
    assert [(row.learned_dim, row.n) for row in rows] == [(1, 100.0), (2, 100.0)]
    assert {row.status for row in hardness(Target("He3(z1)"), inputs="biased").rows} == {"theorem"}


def test_a_small_dimension_gives_a_warning() -> None:
    small = Target("1e-12*z1 + He3(z2)")
    assert any("at d = 1000 order 3" in note for note in hardness(small, d=1000).notes)
    assert not any("at d" in note for note in hardness(small).notes)
    assert not any("order" in note for note in hardness(Target("z1 + He3(z2)"), d=1000).notes)
    # The signal of order k is |C_k| d^{-(k-1)/2}: 1/100 against 2 d^{-1/2} changes sides at d = 40,000.
    crossing = Target("z1/100 + He2(z2)")
    assert any("order 2" in note for note in hardness(crossing, d=39_000).notes)
    assert not any("order 2" in note for note in hardness(crossing, d=41_000).notes)


def test_sizes_that_no_float_holds_are_left_out() -> None:
    rows = {row.algorithm: row for row in hardness(Target("He40(z1)"), d=10**9).rows}
    assert rows["one giant step"].n is None
    assert "over 1e300" in rows["one giant step"].note
    assert rows["one-pass SGD"].note.count("over") == 1


def test_noise_changes_no_index() -> None:
    for text in ("z1*z2 + z1", "He4(z1)", "relu(z1) + relu(z2)"):
        quiet, noisy = hardness(Target(text)), hardness(Target(text, noise=0.5))
        assert [row.exponent for row in quiet.rows[:-1]] == [row.exponent for row in noisy.rows[:-1]]
        assert quiet.generative_exponent == noisy.generative_exponent


def test_dictionary_has_the_keys_of_leap_and_is_json(reports: dict[str, Hardness]) -> None:
    document = reports["sign(z1*z2*z3)"].to_dict()
    assert set(leap(Target("z1")).to_dict()) <= set(document)
    assert {"generative_exponent", "generative_bounds", "grand_staircase_dims", "trivial_subspace"} <= set(
        document
    )
    assert {"alpha_c", "boolean_leap", "biased_d1_dims", "rows"} <= set(document)
    for report in reports.values():
        json.dumps(report.to_dict(), allow_nan=False)
        assert report.alpha_c is None or not math.isnan(report.alpha_c)


def test_the_table_is_shown_as_text(reports: dict[str, Hardness]) -> None:
    report = reports["z1*z2"]
    assert all(name in repr(report) and name in report._repr_html_() for name in NAMES)
    assert "(gaussian inputs, d = 1000)" in repr(report)
    assert "n at this d" in repr(report)


def test_the_command_prints_what_the_function_returns() -> None:
    result = CliRunner().invoke(cli, ["hardness", "z1*z2", "--d", "100", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document.pop("provenance")["options"] == {"expr": "z1*z2", "d": 100}
    assert document == hardness(Target("z1*z2"), d=100).to_dict()
    text = CliRunner().invoke(cli, ["hardness", "-z1^2", "--inputs", "biased"])
    assert text.exit_code == 0
    assert "T giant steps" in text.stdout


def test_an_activation_of_low_degree_can_break_the_basis_free_staircase() -> None:
    text = "z1 + z1*z2 + He2(z1)*z3"
    result = CliRunner().invoke(cli, ["hardness", text, "--activation-degree", "2", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)["basis_free_staircase"]
    assert (found["holds"], found["dims"], found["reflective_subspace"]) == (
        False,
        [0, 1, 2],
        [["1", "0", "0"], ["0", "1", "0"]],
    )
    told = " ".join(repr(hardness(Target(text), activation_degree=2)).split())
    assert "fails: reflective with respect to span{z1, z2}" in told
    assert hardness(Target(text)).basis_free_staircase.holds


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="activation_degree"):
        hardness(Target("z1"), activation_degree=0)
    with pytest.raises(InputError, match="inputs"):
        hardness(Target("z1"), inputs="uniform")
    for d in (0, -3, 2.5, True, 10**39):
        with pytest.raises(InputError, match="d must be"):
            hardness(Target("z1"), d=d)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="gram"):
        hardness(Target("z1*z2", gram=[["1", "1/2"], ["1/2", "1"]]), inputs="rademacher")


def test_what_is_undecided_is_not_called_nothing() -> None:
    """No Hermite expansion, but level sets decide the rest."""
    report = hardness(Target("tanh(z1^5*z2*z3)"))
    learned = {
        row.algorithm: row.learned_text(("z1", "z2", "z3"), report.relevant_dim) for row in report.rows
    }
    assert {learned[name] for name in NAMES[:5]} == {"undecided"}
    assert {learned[name] for name in NAMES[5:]} == {"everything: span{z1, z2, z3}"}
    assert ("information exponent", "undecided") in report.summary()
    # On the cube sin(pi z1) z2 is 0, which is not proved: nothing is claimed.
    cube = hardness(Target("sin(pi*z1)*z2"), inputs="rademacher")
    assert {(row.learned, row.exponent) for row in cube.rows} == {(None, None)}
    partly = {row.algorithm: row for row in hardness(Target("tanh(z1*z2*z3)*z4")).rows}
    assert partly["reused batches"].learned is None or partly["reused batches"].exponent is not None
    unknown = {row.algorithm: row for row in hardness(Target("sin(z1*z2*z3)")).rows}
    assert unknown["reused batches"].learned is None or unknown["reused batches"].exponent is not None
    open_question = hardness(Target("sin(z1*z2*z3 + z4)"))
    assert {row.learned for row in open_question.rows} == {None}
    assert {row.exponent for row in open_question.rows} == {None}
    constant = hardness(Target("7"))
    assert [row.learned for row in constant.rows] == [[]] * 8
    assert ("generative exponent", "none") in constant.summary()


@pytest.mark.parametrize(
    "text",
    ["*".join(f"z{i}" for i in range(1, 21)), "z1*z2*z3 - 2*" + "*".join(f"z{i}" for i in range(1, 18))],
)
def test_boolean_rows_need_no_moments_of_the_label(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("not asked for")

    for name in ("generative", "threshold_of", "reuse_staircase", "biased_staircase"):
        monkeypatch.setattr(f"hermite.complexity.hardness_table.{name}", forbidden)
    report = hardness(Target(text), inputs="rademacher")
    assert report.boolean_leap == (20 if text.startswith("z1*z2*z3*z4") else 14)
    assert report.generative_exponent is None
    assert "generative exponent" not in dict(report.summary())
    json.dumps(report.to_dict(), allow_nan=False)


def test_what_other_inputs_do_not_ask_for_leaves_their_rows_as_they_are() -> None:
    """The Boolean leap and the biased dimensions are those of the full report."""
    for text in ("z1*z2 + z3", "z1*z2*z3"):
        whole = hardness(Target(text))
        assert hardness(Target(text), inputs="rademacher").boolean_leap == whole.boolean_leap
        assert hardness(Target(text), inputs="biased").biased_d1_dims == whole.biased_d1_dims


@pytest.mark.parametrize(
    ("text", "d"),
    [
        ("z1 + z1*z2*z3 - He4(z4)", 1000),
        ("z1*(z2 + z3/7 - z5/11)*z4 + z6", None),
        ("He3(z1)", 10**18),
        ("(1e-200*z1)^2", None),
        ("sqrt(2)*z1*z2 + (z3 - pi*z4)^2", 7),
        ("tanh(z1*z2*z3)", 20),
        ("1", 5),
    ],
)
def test_the_text_fits_80_columns_and_says_what_its_words_mean(text: str, d: int | None) -> None:
    lines = repr(hardness(text, d)).splitlines()
    assert max(map(len, lines)) <= 80
    told = " ".join(" ".join(lines).split())
    assert "isotropic leap:" in told
    assert "least ℓ: n = Θ(d^ℓ) a step learns all" in told
    assert "orders found at once along z1, z2, …" in told


def test_a_leap_whose_higher_orders_are_out_of_reach_is_compared_with_none() -> None:
    document = hardness("tanh(z1*z2*z3)", 100).to_dict()
    assert document["leap_index"] == 3
    assert not any("larger than the leap" in warning for warning in document["warnings"])


def test_a_warning_says_which_answer_it_is_about() -> None:
    # Its square has a number of more digits than the language allows.
    report = hardness("(1e-200*z1)^2")
    assert report.boolean_leap is None
    assert [note.split(":")[0] for note in report.notes] == ["Boolean inputs"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("He3(z1)", "batches up to d^(3/2), then d^(1/2) steps"),
        ("He4(z1)", "batches up to d^2, then d steps"),
        ("z1*z2", "batches up to d, then O(log d) steps"),
        ("z1", "batches up to d, then O(1) steps"),
    ],
)
def test_the_table_tells_the_largest_batch_and_its_steps(text: str, said: str) -> None:
    found = hardness(text)
    (row,) = [cells for cells in found.table() if cells[0] == "one-pass SGD"]
    assert said in row[-1]
    assert said in " ".join(repr(found).split())
