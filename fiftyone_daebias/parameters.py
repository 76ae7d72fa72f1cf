"""What the verbs' parameters are: one definition each, for command line, form, YAML and Python call alike.

A verb's signature names them, as in ``n_permutations: Permutations = 1999``. The range is checked by
:func:`checked`, wherever the value comes from; forms take the label, the choices and what is folded away from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le

from .errors import InputError


@dataclass(frozen=True)
class Choice:
    """What a parameter names on a dataset, so that a form can offer it.

    Attributes:
        of: "probed field", "field", "date field", "subject field", "field or none", "value", "vectors", "map",
            "index", "cluster", "run", "tag", "finding", "preset", "encoder" or "samples"
    """

    of: str


@dataclass(frozen=True)
class Label:
    """What a form calls it, where its name in words is not enough."""

    text: str


@dataclass(frozen=True)
class Picks:
    """A path of the machine that runs the App: "file" or "folder"."""

    what: str


class _Advanced:
    """Most people never touch it: folded away in forms."""

    def __repr__(self) -> str:
        return "Advanced"


Advanced = _Advanced()

# --- fields, vectors and what else is on a dataset ------------------------------------------------------
ProbedField = Annotated[str, Choice("probed field"), Label("Metadata field")]
ProbedFields = Annotated[list[str], Choice("probed field"), Label("Metadata fields")]
ByField = Annotated[str, Choice("field"), Label("By group")]
ByFields = Annotated[list[str], Choice("field"), Label("By group")]
AdjustFor = Annotated[list[str], Choice("field"), Label("Expected differences to adjust for")]
Expected = Annotated[list[str], Choice("field"), Label("Expected differences")]
Protected = Annotated[list[str], Choice("field")]
StratifyBy = Annotated[list[str], Choice("field"), Label("Balance the split over"), Advanced]
Versions = Annotated[list[str], Choice("field"), Label("Software or protocol versions")]
DateField = Annotated[str, Choice("date field"), Label("Date field")]
SubjectField = Annotated[str, Choice("subject field"), Label("Subject field"), Advanced]
ColouredBy = Annotated[str, Choice("field or none"), Label("The map was coloured by")]
ColorBy = Annotated[list[str], Label("Colour the maps by")]
FieldValue = Annotated[str, Choice("value"), Label("Value of the field")]
VectorField = Annotated[str, Choice("vectors"), Label("Embedding"), Advanced]
VectorFields = Annotated[list[str], Choice("vectors"), Label("Embedding"), Advanced]
VectorFieldOrFields = Annotated[str | list[str], Choice("vectors"), Label("Embedding"), Advanced]
MapKey = Annotated[str, Choice("map"), Label("Map"), Advanced]
SimilarityIndex = Annotated[str, Choice("index"), Label("Similarity index"), Advanced]
ClusterName = Annotated[str, Choice("cluster")]
ClusterNames = Annotated[list[str], Choice("cluster"), Label("Clusters")]
RunKeys = Annotated[list[str], Choice("run"), Label("Runs")]
TagName = Annotated[str, Choice("tag")]
FindingKey = Annotated[str, Choice("finding")]
Like = Annotated[list[str], Choice("samples"), Label("Like these samples")]

# --- statistics -----------------------------------------------------------------------------------------
Permutations = Annotated[int, Ge(99), Label("Permutations"), Advanced]
Bootstraps = Annotated[int, Ge(50), Label("Bootstrap draws"), Advanced]
Repeats = Annotated[int, Ge(1), Label("Repeats of the folds"), Advanced]
TrialRepeats = Annotated[int, Ge(5), Label("Repeats of the folds"), Advanced]
Seed = Annotated[int, Ge(0), Advanced]
Kernel = Annotated[Literal["rbf", "linear"], Label("Kernel of the probe"), Advanced]
Scale = Annotated[Literal["auto", "classes", "ordinal", "numeric"], Label("Read numbers as"), Advanced]
Share = Annotated[float, Gt(0), Le(0.5)]
Neighbors = Annotated[int, Ge(1), Label("Neighbours"), Advanced]
Correlation = Annotated[float, Ge(0), Le(1), Label("Threshold"), Advanced]
Threshold = Annotated[float, Gt(0), Label("Threshold")]
Resamples = Annotated[int, Ge(0), Label("Resamples for stability"), Advanced]
SmallestCluster = Annotated[int, Ge(2), Label("Smallest cluster"), Advanced]
Cases = Annotated[int, Ge(1), Label("How many cases")]
Perplexity = Annotated[float, Ge(2), Advanced]
MaxSamples = Annotated[int, Ge(50), Advanced]
NumberOfTests = Annotated[int, Ge(1), Advanced]
Seeds = Annotated[int, Ge(1)]
Folds = Annotated[int, Ge(0), Advanced]

# --- training and encoding ------------------------------------------------------------------------------
ImagesSeen = Annotated[int, Ge(1), Label("Images to see in all")]
BatchSize = Annotated[int, Ge(1), Advanced]
PairedBatchSize = Annotated[int, Ge(2), Advanced]
Accumulate = Annotated[int, Ge(1), Label("Forward passes a step"), Advanced]
LearningRate = Annotated[float, Gt(0), Label("Learning rate"), Advanced]
WeightDecay = Annotated[float, Ge(0), Advanced]
Patience = Annotated[int, Ge(0), Advanced]
Epochs = Annotated[int, Ge(1), Advanced]
Looks = Annotated[int, Ge(1), Advanced]
DdimSteps = Annotated[Sequence[int], Advanced]
Steps = Annotated[int, Ge(1), Advanced]
Device = Annotated[str, Advanced]
Preset = Annotated[str, Choice("preset")]
Encoder = Annotated[str, Choice("encoder")]
CheckpointFolder = Annotated[Path, Label("Checkpoint folder"), Advanced]
Slices = Annotated[int, Ge(1), Label("Slices a volume"), Advanced]
SlicesAVolume = Annotated[int, Ge(1), Label("Slices a volume")]
Architecture = Annotated[Literal["resnet10", "resnet34", "densenet121"], Advanced]
ImageSize = Annotated[int, Ge(32), Advanced]
MostSamples = Annotated[int, Ge(10), Advanced]
MostMaps = Annotated[int, Ge(0), Advanced]
MovedSamples = Annotated[int, Ge(8), Advanced]
Span = Annotated[float, Ge(0.5), Le(10), Advanced]

# --- files and people -----------------------------------------------------------------------------------
ImageFolder = Annotated[Path, Picks("folder"), Label("Images")]
TableFile = Annotated[Path, Picks("file"), Label("Metadata table")]
PickedFile = Annotated[Path, Picks("file")]
PickedConfig = Annotated[Path | dict, Picks("file")]
OutFile = Annotated[Path, Label("Output file")]
Workers = Annotated[int, Ge(1), Label("Worker processes"), Advanced]
Backend = Annotated[str, Label("Cluster"), Advanced]
Subjects = Annotated[int, Ge(1), Le(99_999)]
Matrix = Annotated[int, Ge(48), Le(512)]
Spacing = Annotated[float, Ge(0.01), Le(100), Label("Spacing (mm)"), Advanced]
Volume = Annotated[int, Ge(0), Label("Volume of a 4-D file"), Advanced]
ShiftDates = Annotated[int, Ge(0), Label("Shift dates by up to (days)"), Advanced]


def plain(hint: Any) -> Any:
    """An annotation without what is said about it."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def about(hint: Any) -> Iterator[Any]:
    """Everything that an annotation says about a parameter, in whichever branch of a union it stands."""
    if get_origin(hint) is Annotated:
        inner, *said = get_args(hint)
        yield from said
        yield from about(inner)
    else:
        for branch in get_args(hint):
            if not isinstance(branch, (str, int, float)):
                yield from about(branch)


def range_words(hint: Any) -> str:
    """The allowed range of an annotation as "at least 99"; "" where there is none."""
    bounds = {type(b): b for b in about(hint)}
    low, above, high = bounds.get(Ge), bounds.get(Gt), bounds.get(Le)
    if low and high:
        return f"between {low.ge:,} and {high.le:,}"
    parts = [f"at least {low.ge:g}" if low else "", f"above {above.gt:g}" if above else ""]
    return " and ".join(filter(None, [*parts, f"at most {high.le:g}" if high else ""]))


def checked(name: str, hint: Any, value: Any, where: str = "") -> Any:
    """A parameter's value as its annotation has it.

    Args:
        name: the parameter
        hint: its annotation
        value: what was given
        where: what to put before the name in the message

    Raises:
        InputError: it is of another kind or out of range; the message names parameter, allowed range and value
    """
    from pydantic import ValidationError

    if hasattr(value, "tolist"):  # numpy's and pandas' numbers and arrays
        value = value.tolist()
    if isinstance(value, (str, Path)) and _takes_lists_only(hint):
        value = [value]
    try:
        out = _adapter(hint).validate_python(value)
    except ValidationError as error:
        ranged = {"greater_than_equal", "greater_than", "less_than_equal"} & {e["type"] for e in error.errors()}
        wanted = range_words(hint) if ranged else _kind_words(hint)
        raise InputError(f"{where}{name} must be {wanted}; got {value!r}") from None
    # what holds several values stays what it was: a list may be a tuple
    return out if isinstance(value, (str, int, float)) else value


@cache
def _adapter(hint: Any):
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True, coerce_numbers_to_str=True))


def _takes_lists_only(hint: Any) -> bool:
    branches = [plain(b) for b in get_args(hint) if b is not type(None)] if get_origin(hint) is not Annotated else []
    return all(get_origin(plain(b)) in _LISTS for b in branches or [hint])


#: what holds several values
_LISTS = (list, Sequence)
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def _kind_words(hint: Any) -> str:
    """What kind of value an annotation takes, in words."""
    hint = plain(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) in _LISTS:
        inner = plain(get_args(hint)[0])
        if get_origin(inner) is Literal:
            return f"of {', '.join(map(str, get_args(inner)))}"
        return f"a list, each {_kind_words(inner)}"
    branches = [b for b in get_args(hint) if b is not type(None)]
    if branches:
        return " or ".join(dict.fromkeys(_kind_words(b) for b in branches))
    return _KINDS.get(hint, f"a {getattr(hint, '__name__', hint)}")
