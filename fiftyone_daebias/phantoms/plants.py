"""What can be planted into a phantom cohort, and into whom.

A plant is written ``KIND[:STRENGTH][:CONDITIONS][:SHARE]``, for example ``shift:43:site=C,region=neck``,
``headrest:12:site=B,after=2015-06-01`` or ``marker:10::2%``. Conditions are joined by commas; the share is taken of
the people who meet them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .frame import REGIONS
from .people import Person

#: {kind: (default strength, lowest, highest, unit, what it does)}
KINDS: dict[str, tuple[float, float, float, str, str]] = {
    "shift": (43, -150, 150, "mm", "the field of view is planned that much towards the head"),
    "headrest": (12, -40, 40, "degrees", "a flat headrest: that much less lordosis of the neck"),
    "twin": (1, 0, 2, "share", "the spine has the other sex's proportions; the label is right"),
    "label": (1, 1, 1, "", "the stated sex is wrong; the spine is the person's own"),
    "shading": (0.4, -2, 2, "relative gain", "the coil's gain falls from back to front"),
    "te": (-25, -60, 200, "ms", "longer echo time, with a new software version in the header"),
    "contrast": (0.3, -0.9, 3, "power", "another grey-scale curve, with a new software version in the header"),
    "noise": (0.1, 0, 2, "share of the signal", "more noise"),
    "spacing": (0.5, -0.5, 4, "relative", "larger pixels in the plane, stated in the header"),
    "lost-slice": (1, 1, 6, "slices", "slices are missing at the right edge"),
    "flip": (1, 1, 1, "", "left and right exchanged, the header not"),
    "marker": (10, 0.5, 60, "mm", "a letter burned in"),
    "duplicate": (0, 0, 1, "share of the signal", "the same pictures again under another id, with so much noise added"),
    "sampling": (0.6, -1, 1, "share", "sites recruit unevenly: the share of men is (1 + strength) / 2"),
    "nothing": (0, 0, 0, "", "no plant"),
}
#: kinds that change people, and so all of their volumes
OF_PEOPLE = ("headrest", "twin", "label", "duplicate", "sampling")
_CONDITIONS = ("site", "region", "sex", "handedness", "study_arm", "after", "before")
_CHOICE = 4  # stream of random numbers


@dataclass(frozen=True)
class Plant:
    """One planted property.

    Attributes:
        text: as the user wrote it
        kind: a key of :data:`KINDS`
        strength: in the kind's unit
        where: conditions on people and volumes
        share: of those who meet the conditions, in (0, 1]
    """

    text: str
    kind: str
    strength: float
    where: dict[str, str]
    share: float = 1.0

    def meets(self, person: Person) -> bool:
        """Whether a person meets the conditions, apart from the region."""
        for key, value in self.where.items():
            if key == "after" and not person.date >= datetime.date.fromisoformat(value):
                return False
            if key == "before" and not person.date < datetime.date.fromisoformat(value):
                return False
            if key in ("site", "sex", "handedness", "study_arm") and str(getattr(person, key)) != value:
                return False
        return True

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions in which it shows."""
        if "region" in self.where:
            return (self.where["region"],)
        return ("neck",) if self.kind == "headrest" else tuple(REGIONS)

    @property
    def fields(self) -> tuple[str, ...]:
        """Metadata fields that go with it when it is planted under conditions."""
        out = []
        if "site" in self.where:
            out += ["site", "station", "institution"]
        if "after" in self.where or "before" in self.where:
            out += ["acquisition_date", "acquisition_date_years", "software"]
        out += [k for k in ("sex", "handedness", "study_arm") if k in self.where]
        if "region" in self.where:
            out += ["body_part"]
        out += {
            "te": ["software", "echo_time"],
            "contrast": ["software"],
            "sampling": ["site", "sex"],
            "spacing": ["pixel_spacing_mm", "matrix_rows", "matrix_columns"],
            "label": ["sex"],
            "twin": ["sex"],
            "shift": ["centre_superior_mm"],
            "lost-slice": ["n_slices", "centre_right_mm"],
        }.get(self.kind, [])
        return tuple(dict.fromkeys(out))

    def to_dict(self) -> dict:
        return {
            "text": self.text,
            "kind": self.kind,
            "strength": self.strength,
            "unit": KINDS[self.kind][3],
            "where": dict(self.where),
            "share": self.share,
            "regions": list(self.regions),
            "fields": list(self.fields),
        }


def parse_plant(text: str, sites: list[str]) -> Plant:
    """Reads ``KIND[:STRENGTH][:CONDITIONS][:SHARE]``.

    Raises:
        InputError: it cannot be read; the message says what was expected
    """
    parts = [p.strip() for p in str(text).split(":")]
    kind = parts[0]
    if kind not in KINDS:
        raise InputError(f"plants: there is no kind {kind!r} in {text!r}; kinds: {', '.join(KINDS)}")
    default, low, high, unit, _ = KINDS[kind]
    strength, where, share = default, {}, 1.0
    for n, part in enumerate(parts[1:]):
        if not part:
            continue
        if part.endswith("%"):
            share = _number(part[:-1], text, "share") / 100
            if not 0 < share <= 1:
                raise InputError(f"plants: the share in {text!r} must be above 0 % and at most 100 %; got {part}")
        elif "=" in part:
            for condition in part.split(","):
                where |= _condition(condition, text, sites)
        elif n == 0:
            strength = _number(part, text, "strength")
        else:
            raise InputError(f"plants: {part!r} in {text!r} is neither a condition (site=C) nor a share (2%)")
    if not low <= strength <= high:
        raise InputError(f"plants: {kind} takes a strength from {low:g} to {high:g} {unit}; got {strength:g}")
    if kind == "headrest" and where.get("region", "neck") != "neck":
        raise InputError(f"plants: a headrest shows in the neck only; got {text!r}")
    if kind in OF_PEOPLE and kind != "headrest" and "region" in where:
        raise InputError(f"plants: {kind} changes people, so it takes no region; got {text!r}")
    if kind == "sampling" and (set(where) != {"site"} or share < 1):
        raise InputError(f"plants: sampling needs a site and nothing else, as in sampling:0.6:site={sites[-1]}")
    return Plant(str(text), kind, strength, where, share)


def _number(text: str, whole: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"plants: the {what} in {whole!r} is no number; got {text!r}")
    return value


def _condition(text: str, whole: str, sites: list[str]) -> dict[str, str]:
    key, _, value = (p.strip() for p in text.partition("="))
    allowed = {
        "site": sites,
        "region": list(REGIONS),
        "sex": ["F", "M"],
        "handedness": ["L", "R"],
        "study_arm": ["1", "2", "3"],
    }
    if key not in _CONDITIONS:
        raise InputError(f"plants: unknown condition {key!r} in {whole!r}; conditions: {', '.join(_CONDITIONS)}")
    if key in ("after", "before"):
        try:
            datetime.date.fromisoformat(value)
        except ValueError:
            raise InputError(f"plants: {key} in {whole!r} takes a date such as 2016-01-31; got {value!r}") from None
    elif value not in allowed[key]:
        raise InputError(f"plants: {key} in {whole!r} is one of {', '.join(allowed[key])}; got {value!r}")
    return {key: value}


def choose(plant: Plant, number: int, people: list[Person], seed: int) -> list[int]:
    """Whom a plant affects: exactly its share, rounded, of those who meet its conditions, at least one.

    Args:
        plant: the plant
        number: its place in the list of plants
        people: the cohort
        seed: seed of the cohort

    Returns:
        positions in ``people``, ascending

    Raises:
        InputError: nobody meets the conditions
    """
    eligible = [k for k, p in enumerate(people) if plant.meets(p)]
    if not eligible:
        raise InputError(f"plants: nobody of {len(people)} meets the conditions of {plant.text!r}")
    if plant.share >= 1:
        return eligible
    lots = [np.random.default_rng([seed, _CHOICE, number, people[k].number]).random() for k in eligible]
    n = max(1, round(plant.share * len(eligible)))
    return sorted(eligible[k] for k in np.argsort(lots)[:n])
