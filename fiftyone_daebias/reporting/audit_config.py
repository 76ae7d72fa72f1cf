"""The configuration of an audit: one YAML file, checked whole before anything runs."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from .. import atomic, verbs
from ..errors import InputError, hint
from ..yaml_files import read_yaml
from .audit_steps import LINE, StepKind, step_kind

#: keys at the top of a configuration
_TOP = (
    "dataset",
    "seed",
    "vectors",
    "subject_field",
    "expected",
    "target",
    "protected",
    "by",
    "date_field",
    "fail_on",
    "steps",
)
#: which parameter of which verb a setting of the whole audit reaches
_SPREAD = {
    "seed": ("seed",),
    "vectors": ("vectors",),
    "subject_field": ("subject_field",),
    "date_field": ("date_field",),
    "expected": ("adjust_for", "expected"),
    "by": ("by",),
    "target": ("target",),
    "protected": ("protected",),
}


@dataclass(frozen=True)
class AuditConfig:
    """Everything an audit needs to know.

    Attributes:
        dataset: name of the dataset
        seed: seed of every step that does not name its own
        vectors: the vector field that is audited
        subject_field: field that names the subject
        expected: fields whose differences are no news: sex, age, region …
        target: field that a model will be trained to tell
        protected: fields whose groups that model must serve alike
        by: field whose values are looked at one by one, as a body's regions
        date_field: field with the date
        fail_on: conditions that fail the audit, "site.auc>0.6"
        steps: ``{step: its own parameters, or None when it is off}``, every step of the line
        folder: folder that relative paths start from
    """

    dataset: str = ""
    seed: int = 51
    vectors: str = "dae_embedding"
    subject_field: str | None = None
    expected: tuple[str, ...] = ()
    target: str | None = None
    protected: tuple[str, ...] = ()
    by: str | None = None
    date_field: str | None = None
    fail_on: tuple[str, ...] = ()
    steps: dict[str, dict | None] = field(default_factory=lambda: {s.name: s.default for s in LINE})
    folder: Path = Path(".")

    @classmethod
    def read(cls, source: Path | str | dict) -> AuditConfig:
        """Reads a YAML file, or what one would hold.

        Raises:
            InputError: no such file, no YAML, an unknown key or a value of the wrong kind; the message names it
        """
        if isinstance(source, dict):
            return cls._from(source, "config", Path("."))
        path = Path(source).expanduser()
        raw = read_yaml(path, "config")
        return cls._from(raw or {}, path.name, path.resolve().parent)

    @classmethod
    def _from(cls, raw, where: str, folder: Path) -> AuditConfig:
        if not isinstance(raw, dict):
            raise InputError(f"{where} must be a mapping of keys to values; got {type(raw).__name__}")
        for key in raw:
            if key not in _TOP:
                raise InputError(f"{where}: unknown key {key!r}{_near(key, _TOP)}; keys: {', '.join(_TOP)}")
        given = {k: _checked(v, _TOP_KINDS[k], f"{where}: {k}") for k, v in raw.items() if k != "steps"}
        steps = {s.name: s.default for s in LINE}
        named = raw.get("steps") or {}
        if not isinstance(named, dict):
            raise InputError(f"{where}: steps must be a mapping of steps to their settings; got {type(named).__name__}")
        for name, values in named.items():
            kind = step_kind(str(name).replace("_", "-"))
            if kind is None:
                names = [s.name for s in LINE]
                raise InputError(f"{where}: unknown step {name!r}{_near(name, names)}; steps: {', '.join(names)}")
            steps[kind.name] = _step_values(kind, values, f"{where}: steps.{name}", folder)
        given = {k: v for k, v in given.items() if v is not None}
        for key in ("expected", "protected", "fail_on"):
            given[key] = tuple(given.get(key) or ())
        return cls(**given, steps=steps, folder=folder)

    def with_changes(self, **changes) -> AuditConfig:
        """With other settings where they are not ``None``; ``skip`` switches steps off, ``preset`` trains with it."""
        skip, preset = changes.pop("skip", None) or [], changes.pop("preset", None)
        steps = dict(self.steps)
        for name in skip:
            kind = step_kind(str(name).replace("_", "-"))
            if kind is None:
                names = [s.name for s in LINE]
                raise InputError(f"skip: unknown step {name!r}{_near(name, names)}; steps: {', '.join(names)}")
            steps[kind.name] = None
        if preset is not None:
            for name in ("train", "embed"):
                if steps.get(name) is not None:
                    steps[name] = {**steps[name], "preset": preset}
        out = {k: v for k, v in changes.items() if v is not None}
        for key in ("expected", "protected", "fail_on"):
            if key in out:
                out[key] = tuple([out[key]] if isinstance(out[key], str) else out[key])
        return replace(self, **out, steps=steps)

    def parameters(self, name: str) -> dict | None:
        """Parameters of a step: its own, then those of the whole audit; ``None`` when it is off."""
        own = self.steps.get(name)
        if own is None:
            return None
        out = dict(own)
        kinds = {p.name: p for p in step_kind(name).parameters()}
        for setting, targets in _SPREAD.items():
            value = getattr(self, setting)
            if value in (None, (), ""):
                continue
            for target in targets:
                if target in kinds and target not in own:
                    out[target] = [value] if kinds[target].kind is list and isinstance(value, str) else value
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    def to_dict(self) -> dict:
        """What :meth:`read` takes, every step with what it will be given."""
        steps = {}
        for kind in LINE:
            values = self.parameters(kind.name)
            spread = {t for targets in _SPREAD.values() for t in targets}
            if values is None:
                steps[kind.name] = False
                continue
            own = self.steps[kind.name]
            full = {p.name: p.default for p in kind.parameters() if not p.required and p.name not in spread}
            steps[kind.name] = {k: _yamlable(v) for k, v in {**full, **own}.items()}
        return {
            "dataset": self.dataset,
            "seed": self.seed,
            "vectors": self.vectors,
            "subject_field": self.subject_field,
            "expected": list(self.expected),
            "target": self.target,
            "protected": list(self.protected),
            "by": self.by,
            "date_field": self.date_field,
            "fail_on": list(self.fail_on),
            "steps": steps,
        }

    def to_yaml(self) -> str:
        """The effective configuration as YAML with comments; reading it gives the same audit."""
        raw = self.to_dict()
        steps = raw.pop("steps")
        lines = [
            "# An audit by fiftyone_daebias: 'daebias audit THIS_FILE'. Paths start from this file's folder;",
            "# a step that is false is left out.",
            _dump(raw).rstrip(),
            "steps:",
        ]
        for name, values in steps.items():
            lines.append(f"  # {step_kind(name).label}")
            body = _dump({name: values}).rstrip()
            lines += ["  " + line for line in body.splitlines()]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> Path:
        """Writes the effective configuration.

        Raises:
            InputError: the file cannot be written
        """
        path = Path(path).expanduser()
        atomic.write_text(path, self.to_yaml(), error=InputError, prefix="write_config: ", mode=None, folders=False)
        return path


_TOP_KINDS = {
    name: verbs.Parameter(name, kind, str if kind is list else kind, None, None, "")
    for name, kind in (
        ("dataset", str),
        ("seed", int),
        ("vectors", str),
        ("subject_field", str),
        ("expected", list),
        ("target", str),
        ("protected", list),
        ("by", str),
        ("date_field", str),
        ("fail_on", list),
    )
}


def _step_values(kind: StepKind, values, where: str, folder: Path) -> dict | None:
    if values is False:
        return None
    if values is None or values is True:
        return kind.default or {}
    if not isinstance(values, dict):
        raise InputError(f"{where} must be true, false or a mapping of parameters; got {_shown(values)}")
    parameters = {p.name: p for p in kind.parameters()}
    out = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name not in parameters:
            raise InputError(f"{where}: unknown key {key!r}{_near(name, parameters)}; keys: {', '.join(parameters)}")
        parameter = parameters[name]
        checked = parameter.checked(_checked(value, parameter, f"{where}.{key}"), where=f"{where}.")
        if parameter.kind is Path and checked is not None:
            checked = str(folder / Path(checked).expanduser())
        out[name] = checked
    missing = [p.name for p in parameters.values() if p.required and p.name not in out]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} must be given")
    return out


def _checked(value, parameter: verbs.Parameter, where: str):
    """The value as the parameter's kind."""
    if value is None:
        return None
    if parameter.kind is list:
        values = value if isinstance(value, (list, tuple)) else [value]
        item = verbs.Parameter(parameter.name, parameter.item, parameter.item, parameter.choices, None, "")
        return [_checked(v, item, f"{where}[{k}]") for k, v in enumerate(values)]
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    kind, out = parameter.kind, None
    if kind is bool:
        out = value if isinstance(value, bool) else None
    elif kind in (int, float) and not isinstance(value, bool):
        try:
            out = float(value)
        except (TypeError, ValueError, OverflowError):
            out = None
        if out is not None and kind is int:
            out = int(out) if out.is_integer() else None
    elif kind in (str, Path) and isinstance(value, (str, int, float, Path)) and not isinstance(value, bool):
        out = str(value)
    if out is None:
        raise InputError(f"{where} must be {wanted.get(kind, 'a value')}; got {_shown(value)}")
    if parameter.choices and out not in parameter.choices:
        raise InputError(f"{where} must be one of {', '.join(map(str, parameter.choices))}; got {_shown(out)}")
    return out


def _shown(value) -> str:
    return reprlib.repr(value)


def _near(word, known) -> str:
    said = hint(word, known)
    return f"; {said}" if said else ""


def _dump(value) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)


def _yamlable(value):
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
