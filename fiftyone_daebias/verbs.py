"""The table of verbs: the one place that ties a library function to its names elsewhere.

The command line, the methods on ``fo.Dataset`` and the App's operators are all
generated from this table (the verbs of analyses come from their registry) and from the functions' own signatures and
docstrings, so parameter names and defaults cannot drift apart.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import types
import typing
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .analyses import ANALYSES
from .errors import nearest
from .parameters import Advanced, Choice, Label, Picks, about, checked, plain
from .signatures import read_signature


@dataclass(frozen=True)
class Verb:
    """One thing a user can do.

    Attributes:
        command: sub-command of ``daebias`` and, with underscores, name of the operator
        function: ``"package.module:function"`` inside this package
        label: a short label for menus
        method: whether the function becomes a method of datasets and views (its first argument is ``samples``)
        icon: a Material icon for the App
        delegate: whether the App offers to run it in the background by default
        in_app: whether the App has an operator for it
        on_ticked: whether it acts on the samples ticked in the grid, if there are any, and not on the view
        opens: ``"package.module:function"`` that opens what the command line's first word names, where that may be more
            than a dataset
        tests: whether its result holds verdicts, which are then given over everything that was tested on the dataset
        holds: what it may write to, alone while it works: "dataset", "training" (the dataset's run folders), or ""
        looks: value of its parameter "action" with which it writes nothing
        table: whether its result has a table beside its text, for "--table" and "--csv"
        was: name of the function and method until 0.2, if it was another
    """

    command: str
    function: str
    label: str
    method: bool = True
    icon: str = "scatter_plot"
    delegate: bool = False
    in_app: bool = True
    on_ticked: bool = False
    opens: str = ""
    tests: bool = False
    holds: str = "dataset"
    looks: str = ""
    table: bool = False
    was: str = ""

    @property
    def name(self) -> str:
        """Name of the function at the top of the package, of the accessor's method and of the operator."""
        return self.command.replace("-", "_")

    def load(self) -> Callable:
        """Imports the function, as every way to a verb (command, method, App, Python) calls it.

        What it is given is checked before it runs; it holds the dataset's lease while it works, if the verb writes; of
        a verb that tests, what it returns has verdicts over everything that was tested on the dataset.
        """
        return _loaded(self)

    def describe(self) -> tuple[str, tuple[Parameter, ...]]:
        """Docstring and parameters of the function, without importing it where its source can be read."""
        try:
            doc, found = read_signature(self.function)
        except LookupError:
            function = _load(self.function)
            return inspect.getdoc(function) or "", parameters(function)
        helps = docstring_arguments(doc)
        return doc, tuple(
            Parameter(name, *_kind(hint), default, helps.get(name, ""), hint) for name, (hint, default) in found.items()
        )

    def load_opener(self) -> Callable | None:
        """Imports the function that opens what the command line's first word names, if the verb has its own."""
        return _load(self.opens) if self.opens else None


def _load(path: str) -> Callable:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)


@cache
def _loaded(verb: Verb) -> Callable:
    function = _load(verb.function)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args, **kwargs):
        given = _bind(verb, signature, args, kwargs)
        result = _alone(verb, function, given)
        if not verb.tests:
            return result
        from .findings.verdicts import settle_result

        return settle_result(next(iter(given.arguments.values())), result)

    call.__name__ = call.__qualname__ = verb.name
    return call


def _bind(verb: Verb, signature: inspect.Signature, args: tuple, kwargs: dict) -> inspect.BoundArguments:
    """What the verb is given, by parameter.

    Raises:
        TypeError: there is no such parameter, with the name of the one that is most like it; or one is missing
        InputError: a value is of another kind or out of range
    """
    for name in kwargs:
        if name not in signature.parameters:
            known = [n for n in signature.parameters if n not in SUPPLIED]
            raise TypeError(f"{verb.name}() has no parameter {name!r}; {nearest(name, known, 'parameters')}")
    try:
        given = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{verb.name}(): {error}") from None
    given.apply_defaults()
    for parameter in parameters(_load(verb.function)):
        value = given.arguments[parameter.name]
        if value is not parameter.default:  # a default need not be in the range: 0 may stand for "none"
            given.arguments[parameter.name] = parameter.checked(value)
    return given


def _alone(verb: Verb, function: Callable, given: inspect.BoundArguments):
    """Runs the function, alone with what it writes."""
    if not verb.holds or verb.looks and given.arguments.get("action") == verb.looks:
        return function(*given.args, **given.kwargs)
    from . import store

    # the first argument is the samples, or the dataset's name where the verb makes one
    samples, part = next(iter(given.arguments.values())), "" if verb.holds == "dataset" else verb.holds
    with store.lease(samples, verb.command, given.arguments.get("progress"), part=part):
        result = function(*given.args, **given.kwargs)
        if verb.holds == "dataset":
            store.arrange(samples)
        return result


VERBS: tuple[Verb, ...] = (
    Verb(
        "register",
        "cohort.register:register",
        "Register a cohort",
        was="register_cohort",
        method=False,
        icon="add_photo_alternate",
    ),
    Verb("duplicates", "cohort.duplicates:duplicates", "Find duplicates and leaks", icon="content_copy"),
    Verb(
        "privacy",
        "cohort.privacy:privacy",
        "List identifying content of files",
        method=False,
        icon="privacy_tip",
        holds="",
    ),
    Verb("cache", "cohort.cache:cache", "Slice cache", method=False, icon="inventory_2", holds=""),
    Verb(
        "phantom",
        "phantoms.phantom:phantom",
        "Draw a cohort of known bias",
        method=False,
        icon="science",
        in_app=False,
        holds="",
    ),
    Verb(
        "train",
        "dae.train:train",
        "Train the diffusion autoencoder",
        was="train_dae",
        icon="model_training",
        delegate=True,
        holds="training",
    ),
    Verb(
        "import-checkpoint",
        "dae.import_checkpoint:import_checkpoint",
        "Take over a published checkpoint",
        method=False,
        icon="download",
        holds="",
    ),
    Verb(
        "reconstruction",
        "dae.reconstruction:reconstruction",
        "How well does the model reconstruct?",
        icon="compare",
        delegate=True,
    ),
    Verb("embed", "embeddings.embed:embed", "Compute DAE embeddings", delegate=True),
    *(Verb(**{"tests": a.tests, **v}) for a in ANALYSES for v in a.verbs),
    Verb("runs", "run_listing:runs", "List or delete runs", icon="delete_sweep", looks="list"),
    Verb(
        "audit",
        "reporting.audit:audit",
        "Audit the cohort",
        icon="fact_check",
        delegate=True,
        opens="reporting.audit:open_audit",
        table=True,
    ),
    Verb("story", "stories.story:story", "Tell what was found by its causes", icon="auto_stories", table=True),
    Verb("report", "reporting.report:report", "Write the report", icon="summarize", was="write_report"),
    Verb("review", "findings.review:review", "Review a finding", icon="rate_review", on_ticked=True),
    Verb("share", "sharing.share:share", "Share the audit", icon="share"),
    Verb("import-shared", "sharing.share:import_shared", "Import a shared audit", icon="move_to_inbox"),
)


def by_command(command: str) -> Verb:
    """The verb behind a sub-command."""
    return next(v for v in VERBS if v.command == command)


#: the method and function that ``embed`` is also called by
EMBED_METHOD = "compute_dae_embeddings"
#: names of functions and methods until 0.2
FORMER_NAMES = {v.was: v.name for v in VERBS if v.was}


def public_names() -> list[str]:
    """Names of the library functions that the package offers at its top."""
    return [*(v.name for v in VERBS), EMBED_METHOD]


def public(name: str) -> Callable:
    """The library function of that name, imported now."""
    known = {v.name: v for v in VERBS}
    if name == EMBED_METHOD:
        return known["embed"].load()
    if name in FORMER_NAMES:
        warnings.warn(
            f"{__package__}.{name} is now {__package__}.{FORMER_NAMES[name]}; the old name goes in 0.4",
            FutureWarning,
            stacklevel=3,
        )
        name = FORMER_NAMES[name]
    if name in known:
        return known[name].load()
    raise AttributeError(f"module {__package__!r} has no attribute {name!r}")


#: parameters that the caller's surroundings supply: a bar in the terminal, the App's progress
SUPPLIED = ("progress",)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a verb, as forms and command lines need it.

    Attributes:
        name: its name
        kind: ``str``, ``int``, ``float``, ``bool``, ``Path`` or ``list``
        choices: allowed values, or ``None``
        default: default value; ``inspect.Parameter.empty`` when required
        help: its text in the docstring
        hint: its annotation, with what :mod:`~fiftyone_daebias.parameters` says of it
    """

    name: str
    kind: type
    item: type
    choices: tuple | None
    default: object
    help: str
    hint: object = None

    def _said(self, kind: type):
        return next((s for s in about(self.hint) if isinstance(s, kind)), None)

    @property
    def names(self) -> str:
        """What it names on a dataset, see :class:`~fiftyone_daebias.parameters.Choice`; "" where nothing."""
        said = self._said(Choice)
        return said.of if said else ""

    @property
    def label(self) -> str:
        """What a form calls it."""
        said = self._said(Label)
        words = said.text if said else self.name.replace("_", " ")
        return words[0].upper() + words[1:]

    @property
    def advanced(self) -> bool:
        """Whether forms fold it away."""
        return not self.required and Advanced in about(self.hint)

    @property
    def picks(self) -> str:
        """ "file" or "folder" where it names one of the machine that runs the App, else ""."""
        said = self._said(Picks)
        return said.what if said else ""

    def checked(self, value, where: str = ""):
        """The value as the verb takes it.

        Raises:
            InputError: of another kind, or out of range
        """
        if value is None and (self.default is None or self.hint is None):
            return None
        return checked(self.name, self.hint, value, where) if self.hint is not None else value

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@cache
def parameters(function: Callable) -> tuple[Parameter, ...]:
    """Parameters of a verb's function, without ``samples`` and what is supplied (:data:`SUPPLIED`)."""
    hints = typing.get_type_hints(function, include_extras=True)
    helps = docstring_arguments(inspect.getdoc(function) or "")
    out = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "samples" or parameter.name in SUPPLIED:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"verb {function.__name__} may not take *{parameter.name}")
        hint = hints.get(parameter.name, str)
        out.append(Parameter(parameter.name, *_kind(hint), parameter.default, helps.get(parameter.name, ""), hint))
    return tuple(out)


def _kind(hint) -> tuple[type, type, tuple | None]:
    """Reduces an annotation to what a form can ask for."""
    hint = plain(hint)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [a for a in typing.get_args(hint) if a is not type(None)]
        # "str | Path" or "str | list[str]": the richer one decides.
        ranked = sorted((_kind(o) for o in options), key=lambda k: [Path, list, float, int, bool, str].index(k[0]))
        return ranked[0]
    if origin is typing.Literal:
        values = typing.get_args(hint)
        return type(values[0]), type(values[0]), values
    if origin in (list, tuple, set) or hint in (list, tuple) or origin is not None and "Sequence" in str(origin):
        args = [a for a in typing.get_args(hint) if a is not Ellipsis]
        _, item, choices = _kind(args[0]) if args else (str, str, None)
        return list, item, choices
    if hint in (str, int, float, bool):
        return hint, hint, None
    if inspect.isclass(hint) and issubclass(hint, Path):
        return Path, Path, None
    return str, str, None


def docstring_summary(doc: str) -> str:
    """First paragraph of a docstring as one line."""
    return " ".join(doc.split("\n\n")[0].split())


def docstring_arguments(doc: str) -> dict[str, str]:
    """``{name: text}`` from the ``Args:`` section of a Google-style docstring."""
    match = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc, flags=re.MULTILINE | re.DOTALL)
    out: dict[str, str] = {}
    if not match:
        return out
    name = None
    for line in match.group(1).splitlines():
        start = re.match(r"^    (\*{0,2}\w+)(?: \([^)]*\))?: ?(.*)$", line)
        if start:
            name = start.group(1).lstrip("*")
            out[name] = start.group(2).strip()
        elif name and line.strip():
            out[name] += " " + line.strip()
    return out
