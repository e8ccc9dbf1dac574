"""What an experiment file says: its text, and its tables with every value checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymptotics.experiment import schema
from asymptotics.experiment.figure_keys import FIGURE_RULES
from asymptotics.experiment.schema import Rule
from asymptotics.experiment.settings import NETWORK_RULES, RIDGE_RULES, SIMULATION_RULES, TRAINING_RULES
from hermite.errors import InputError

if TYPE_CHECKING:
    from hermite.target import Target

#: Sentences about one list; a long list may be wrong as a whole.
MOST_PROBLEMS = 20
TARGET_RULES = {
    "noise": Rule(schema.number(0.0), "a finite number of at least 0"),
    "labels": Rule(schema.choice("value", "sign"), '"value" or "sign"'),
}
TABLES: dict[str, dict[str, Rule]] = {
    "network": NETWORK_RULES,
    "training": TRAINING_RULES,
    "ridge": RIDGE_RULES,
    "simulation": SIMULATION_RULES,
    "figure": FIGURE_RULES,
}


def read(path: str | Path) -> str:
    """The text of a file of at most 1 MB, or of standard input."""
    if not isinstance(path, (str, Path)):
        raise InputError(f"An experiment file must be the name of a file, not {path!r:.60}.")
    if str(path) == "-" and sys.stdin is None:
        raise InputError("Cannot read the experiment: standard input is closed.")
    try:
        raw = sys.stdin.buffer.read(10**6 + 1) if str(path) == "-" else _head(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Cannot read the experiment file {str(path)!r}: {reason}.") from None
    if len(raw) > 10**6:
        raise InputError(f"The experiment file {str(path)!r} is larger than 1 MB.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"The experiment file {str(path)!r} is not UTF-8 text.") from None


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(10**6 + 1)


def checked_table(
    table: str, data: Mapping[str, Any], table_rules: Mapping[str, Rule], problems: list[str]
) -> dict[str, Any]:
    """The checked values of one table: a tuple where the key is a grid."""
    good: dict[str, Any] = {}
    for key, given in data.items():
        rule, value = table_rules.get(key), schema.listed(given)
        if rule is None:
            problems.append(_unknown(table, key, table_rules))
        elif not rule.grid:
            good.update(schema.check(table, table_rules, {key: value}, problems))
        elif isinstance(value, list):
            if not value:
                problems.append(
                    f"{table}.{key} must be {rule.allowed}, or a list of such, not an empty list."
                )
            before = len(problems)
            found = []
            for v in value:
                found.append(schema.check(table, table_rules, {key: v}, problems).get(key))
                if len(problems) > before + MOST_PROBLEMS:
                    problems.append(f"{table}.{key}: and more of the kind.")
                    break
            good[key] = tuple(dict.fromkeys(found))
        else:
            good.update(
                {k: (v,) for k, v in schema.check(table, table_rules, {key: value}, problems).items()}
            )
    return good


def _unknown(table: str, key: str, known: Mapping[str, Any]) -> str:
    return f"[{table}] has no key {key!r}{schema.suggestion(key, known)}; it has {', '.join(known)}."


def axes(table: str, grid: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Field → its values, for every key of one table; a list that is no grid is one value."""
    return {
        "lam" if key == "lambda" else key: value if TABLES[table][key].grid else (value,)
        for key, value in grid.items()
    }


def checked_target(data: Mapping[str, Any], problems: list[str]) -> Target | None:
    """The target of the file; None (and sentences) if it is not one."""
    from hermite.language.sympy_text import is_sympy
    from hermite.target import Target

    known = ("expression", "noise", "gram", "labels")
    before = len(problems)
    problems += [_unknown("target", key, dict.fromkeys(known)) for key in data if key not in known]
    expression = data.get("expression")
    if expression is None:
        problems.append('The experiment needs [target] with expression = "...", for instance "z1 + z1*z2".')
    elif not isinstance(expression, str) and not is_sympy(expression):
        problems.append(
            f'target.expression must be a string such as "z1 + z1*z2", not {schema.show(expression)}.'
        )
    given = {"noise": data.get("noise", 0.0), "labels": data.get("labels", "value")}
    good = schema.check("target", TARGET_RULES, given, problems)
    noise = good.get("noise")
    if len(problems) > before or expression is None or noise is None:
        return None
    try:
        return Target(expression, gram=schema.listed(data.get("gram")), noise=noise, labels=good["labels"])
    except InputError as error:
        problems += [f"target: {sentence}" for sentence in error.problems]
        return None
