"""Every key of an experiment file: type, default, what it is, and who uses it, made from the rules themselves.

The documentation's page, ``giantstep init --all`` and the JSON Schema that editors complete by are three views of :func:`keys`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from asymptotics.experiment import schema
from asymptotics.experiment.figure_keys import FigureSettings
from asymptotics.experiment.file_tables import TABLES
from asymptotics.experiment.input_laws import INPUT_LAWS, UNNAMED
from asymptotics.experiment.protocol_keys import owners
from asymptotics.experiment.schema import Rule
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training

#: What each key is, in a line. A key without one is shown with what it may be alone.
MEANINGS = {
    "target.expression": "the target in z1, z2, ...; the only key without a default",
    "target.noise": "variance of the additive Gaussian label noise",
    "target.labels": "value: y = f + noise; sign: classes y = sign(f + noise)",
    "target.gram": "Gram matrix of the directions; absent: orthonormal",
    "network.activation": "a name (giantstep activations) or an expression in x",
    "network.readout": "law of the readout weights",
    "network.bias": "standard deviation of the random, untrained biases",
    "network.initialisation": "symmetric: neurons in pairs, first output 0",
    "network.width": "neurons, for overlaps",
    "training.protocol": "giant: a fresh batch a step; reuse: always the same; sgd: online",
    "training.steps": "steps before the ridge fit",
    "training.alpha": "a step has n = alpha d^batch_exponent samples",
    "training.eta": "learning rate, dimensionless",
    "training.batch_exponent": "a step has n = alpha d^batch_exponent samples",
    "training.remove_orders": "orders subtracted from the labels of a batch",
    "training.weight_decay": "w <- (1 - eta weight_decay) w + gradient step",
    "training.rate_exponent": "q of the rate eta n d^-q; auto: max(leap/2, 1)",
    "training.step": "the rate itself, in place of eta",
    "training.loss": "square: y - f; correlation: y alone",
    "training.projection": "back to the sphere: by division, by the tangent, or not",
    "training.start": "where the weights begin",
    "training.time": "report at these times, in samples/d^max(leap - 1, 1)",
    "training.dynamics": "recursion, its flow (ode), what suits the length (auto), or the law of one overlap (langevin)",
    "training.threshold": "overlap at which a direction counts as found",
    "ridge.alpha": "the fit has n2 = alpha d fresh samples",
    "ridge.beta": "p = beta d neurons; inf: kernel ridge",
    "ridge.lambda": "penalty of |a|^2",
    "ridge.d": "theory at this d; absent: d to infinity, or the simulation's beside one",
    "ridge.regime": "which limit of n, p, d",
    "ridge.level": "how much of the weights' law enters after steps",
    "ridge.loss": "of the fit: square, or logistic, hinge, huber for class labels",
    "ridge.accuracy": "relative; what level auto measures to, 0: nothing (default: where more than 1 % is expected)",
    "simulation.method": "direct: the real network; reduced: exact in law, cost free of d",
    "simulation.d": "input dimension",
    "simulation.width": "neurons where the network's width is infinite, for overlaps",
    "simulation.replicates": "independent runs a point",
    "simulation.test_samples": "fresh samples that measure a test error",
    "simulation.seed": "seed of all randomness",
    "simulation.backend": "who multiplies the matrices",
    "simulation.device": "of the torch backend",
    "simulation.dtype": "precision of the simulation",
    "simulation.memory": "bytes held at once",
    "simulation.threads": "BLAS threads of one unit",
    "figure.x": "key of the x axis; auto: the grid of most values",
    "figure.lines": "keys that tell lines apart; auto: what is left",
    "figure.panels": "keys that tell panels apart; auto: none up to six lines",
    "figure.log": "logarithmic axes; auto: where the range asks for it",
    "figure.quantity": "what is drawn",
    "figure.plateaus": "draw the plateaus, where they hold",
}
#: Commands that heed a table (or, before it, a key).
COMMANDS = {
    "target": "all",
    "inputs": ", ".join(
        dict.fromkeys(question for traits in INPUT_LAWS.values() for question in traits.questions or ())
    ),
    "network.width": "overlaps, curve (regime fixed-width), validate without [ridge]",
    "network": "all",
    "training": "all",
    "ridge": "curve, samples, tune, spectrum, simulate, validate, report",
    "simulation.width": "overlaps --simulate, simulate and validate without [ridge]",
    "simulation": "simulate, validate, report, and --simulate of the others",
    "figure": "curve, plot",
}
_CLASSES = {
    "network": Network,
    "training": Training,
    "ridge": Ridge,
    "simulation": Simulation,
    "figure": FigureSettings,
}
_RENAMED = {"ridge.lam": "ridge.lambda"}
_TARGET: dict[str, tuple[float | str | None, dict[str, object], str]] = {
    "expression": (None, {"type": "string"}, "an expression in z1, z2, ..."),
    "noise": (0.0, {"type": "number", "minimum": 0.0}, "a finite number of at least 0"),
    "labels": ("value", {"type": "string", "enum": ["value", "sign"]}, '"value" or "sign"'),
    "gram": (
        None,
        {"type": "array", "items": {"type": "array", "items": {"type": ["number", "string"]}}},
        "rows of rationals, symmetric and positive definite",
    ),
}


@dataclass(frozen=True)
class Key:
    """One key; ``default`` None: absent. ``shape``: JSON Schema of one value; ``protocols``: the only ones that have it.

    ``said``: what it is, ``example``: a value to show, where no table here has them.
    """

    table: str
    name: str
    default: Any
    allowed: str
    shape: dict[str, Any]
    grid: bool = False
    protocols: tuple[str, ...] = ()
    said: str = ""
    example: str = ""

    @property
    def meaning(self) -> str:
        return self.said or MEANINGS.get(f"{self.table}.{self.name}", self.allowed)

    @property
    def commands(self) -> str:
        return COMMANDS.get(f"{self.table}.{self.name}", COMMANDS.get(self.table, "all"))

    @property
    def written_default(self) -> str:
        """The default as TOML; empty where the key is absent."""
        return "" if self.default is None else _toml(self.default)


#: Which law of the inputs a table [inputs] is about.
_LAW = Key(
    "inputs",
    "law",
    None,
    schema.choices(INPUT_LAWS),
    {"type": "string", "enum": list(INPUT_LAWS)},
    said=f"whose keys follow; absent: {UNNAMED}",
    example=f'"{UNNAMED}"',
)


def keys() -> Iterator[Key]:
    """Every key in the order of the file's tables."""
    for name, (value, shape, allowed) in _TARGET.items():
        yield Key("target", name, value, allowed, shape)
    yield _LAW
    for traits in INPUT_LAWS.values():
        for key in traits.keys:
            yield Key("inputs", key.name, None, key.allowed, key.shape, said=key.meaning, example=key.example)
    for table, rules in TABLES.items():
        defaults: dict[str, Any] = {
            _RENAMED.get(f"{table}.{f.name}", f"{table}.{f.name}"): f.default for f in fields(_CLASSES[table])
        }
        for name, rule in rules.items():
            # Kept in bytes; written as people do.
            yield _of_rule(table, name, rule, "1 GB" if name == "memory" else defaults[f"{table}.{name}"])


def _of_rule(table: str, name: str, rule: Rule, default: object) -> Key:
    having = owners(name) if table == "training" else ()
    return Key(table, name, default, rule.allowed, schema.shape_of(rule), rule.grid, having)


def json_schema() -> dict[str, object]:
    """JSON Schema (draft-07, which TOML editors read) of an experiment file."""
    tables: dict[str, dict[str, object]] = {}
    for key in keys():
        one = key.shape
        value: dict[str, object] = (
            {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]} if key.grid else dict(one)
        )
        value["description"] = f"{key.meaning} ({key.allowed})"
        if key.default is not None:
            value["default"] = _jsonable(key.default)
        tables.setdefault(key.table, {})[key.name] = value
    objects = {
        name: {"type": "object", "properties": properties, "additionalProperties": False}
        for name, properties in tables.items()
    }
    objects["target"]["required"] = ["expression"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of giantstep",
        "type": "object",
        "properties": objects,
        "required": ["target"],
        "additionalProperties": False,
    }


def full_example() -> str:
    """An experiment file with every key: those at their defaults, and as comments those that are absent by default."""
    lines: list[str] = []
    table = ""
    for key in keys():
        if key.table != table:
            lines += [""] * bool(lines) + [f"[{key.table}]"]
            table = key.table
        value = '"z1 + He2(z1)/2"' if key.name == "expression" else key.written_default or _absent(key)
        other = bool(key.protocols) and "giant" not in key.protocols
        off = "# " if (key.default is None and key.name != "expression") or other else ""
        only = f"; protocol {' or '.join(key.protocols)} only" if key.protocols else ""
        several = "; may be a list" if key.grid else ""
        lines += _noted(f"{off}{key.name} = {value}", f"{key.meaning}{several}{only}; {key.allowed}")
    return "\n".join(lines)


def _noted(setting: str, note: str) -> list[str]:
    """A line of the file with its comment, which goes on below where it is long."""
    from textwrap import wrap

    first, *more = wrap(note, 43)
    if len(setting) > 34:
        return [setting, *(f"{'':<34} # {line}" for line in (first, *more))]
    return [f"{setting:<34} # {first}", *(f"{'':<34} # {line}" for line in more)]


def markdown_reference() -> str:
    """The page of the documentation."""
    lines = [
        "# The experiment file",
        "",
        "TOML; every key but the target's expression has a default, and a table may be absent. A key marked *grid* takes one",
        "value or a list; the product of the lists is the sweep. `giantstep init --all` prints all of them; on the command",
        "line `--set table.key=value` stands in place of the file.",
    ]
    table = ""
    for key in keys():
        if key.table != table:
            lines += ["", f"## [{key.table}]", "", "| key | what it is | allowed | default | used by |"]
            lines.append("|---|---|---|---|---|")
            table = key.table
        name = f"`{key.name}`" + " *grid*" * key.grid
        meaning = key.meaning + (f" (protocol {' or '.join(key.protocols)})" if key.protocols else "")
        default = f"`{key.written_default}`" if key.written_default else "absent"
        cells = [name, meaning, key.allowed, default, key.commands]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _absent(key: Key) -> str:
    """A value to show for a key without a default."""
    values = {
        "gram": '[["1", "1/2"], ["1/2", "1"]]',
        "d": "512",
        "step": "0.01",
    }
    return key.example or values.get(key.name, "1")


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _jsonable(value: object) -> object:
    return [_jsonable(v) for v in value] if isinstance(value, tuple) else value


def write_schema() -> None:
    """Write the schema that is shipped; for those who change the rules."""
    path = Path(__file__).with_name("experiment.schema.json")
    path.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema()
