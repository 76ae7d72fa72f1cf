"""Who is in a phantom cohort: people, where and when they were scanned, and what the table says of them."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from .spine import Build, draw_traits

FIRST_DAY, LAST_DAY = datetime.date(2014, 6, 2), datetime.date(2019, 5, 31)
#: which stream of random numbers: nothing that is planted changes what another stream draws
_PERSON, _SITE, _TRAITS = 1, 2, 3


@dataclass(frozen=True)
class Person:
    """One participant.

    Attributes:
        name: "sub-00001"
        number: number of the body: two people of the same number are the same body under two names
        sex: "F" or "M"
        age: years at the scan
        height: cm
        weight: kg
        site: name of the site
        date: day of the scan
        hour: hour of the scan
        handedness: "R" or "L"; has nothing to do with the pictures
        study_arm: "1", "2" or "3"; has nothing to do with the pictures
        maleness: 1 for a man's proportions, 0 for a woman's
        neck_change: degrees added to the neck's lordosis
        recorded: what the table and the headers say where it is not true: ``{"sex": "F"}``
        copy_of: name of the participant whose pictures these are, "" for one's own
    """

    name: str
    number: int
    sex: str
    age: int
    height: float
    weight: float
    site: str
    date: datetime.date
    hour: int
    handedness: str
    study_arm: str
    maleness: float
    neck_change: float = 0.0
    recorded: tuple[tuple[str, str], ...] = ()
    copy_of: str = ""

    def stated(self, field: str):
        """A field as table and headers state it."""
        return dict(self.recorded).get(field, getattr(self, field))

    def build(self, seed: int) -> Build:
        """The body behind the participant."""
        rng = np.random.default_rng([seed, _TRAITS, self.number])
        traits = draw_traits(rng)
        bmi = self.weight / (self.height / 100) ** 2
        female = 1 - self.maleness
        fat = max(3.0, (5 + 0.75 * (bmi - 22) + 3.0 * female) * float(np.exp(0.22 * traits["fat"])))
        muscle = (1 + 0.06 * (2 * self.maleness - 1)) * (1 + 0.06 * traits["muscle"]) * (1 - 0.002 * (self.age - 47))
        belly = 4.0 * (bmi - 25) + 5 * traits["front"]
        return Build(
            self.height, self.age, self.maleness, float(fat), float(belly), float(muscle), traits, self.neck_change
        )


@dataclass(frozen=True)
class Site:
    """A site with its one scanner.

    Attributes:
        name: its name
        station: name of the scanner
        weight: share of the cohort relative to other sites
        upgrade: day of a software upgrade that changes no picture
    """

    name: str
    station: str
    weight: float
    upgrade: datetime.date


def make_sites(names: list[str], seed: int) -> list[Site]:
    """Sites from "A" or "A=2" (weight 2).

    Raises:
        InputError: a weight that is no positive number, or a name given twice
    """
    out: list[Site] = []
    for n, text in enumerate(names):
        name, _, weight = text.partition("=")
        try:
            share = float(weight or 1)
        except ValueError:
            share = 0.0
        known = [s.name for s in out]
        if not re.fullmatch(r"[\w-]{1,32}", name.strip()) or not 0 < share < 1e9 or name.strip() in known:
            raise InputError(
                f"sites: {text!r} is not NAME or NAME=WEIGHT (letters and digits, a weight above 0, each name once)"
            )
        rng = np.random.default_rng([seed, _SITE, n])
        days = (LAST_DAY - FIRST_DAY).days
        out.append(
            Site(
                name.strip(),
                f"MR{n + 1:02d}",
                share,
                FIRST_DAY + datetime.timedelta(int(rng.integers(days // 5, 4 * days // 5))),
            )
        )
    return out


def make_people(n: int, sites: list[Site], seed: int, men: dict[str, float] | None = None) -> list[Person]:
    """Draws the participants. Sites, dates, handedness and arm are independent of the bodies.

    Args:
        n: how many
        sites: the sites
        seed: seed of the cohort
        men: ``{site: share of men}`` where a sampling bias is planted; one half elsewhere
    """
    weights = np.cumsum([s.weight for s in sites])
    out = []
    for k in range(n):
        rng = np.random.default_rng([seed, _PERSON, k])
        site = sites[int(np.searchsorted(weights, rng.random() * weights[-1], side="right").clip(max=len(sites) - 1))]
        man = bool(rng.random() < (men or {}).get(site.name, 0.5))
        age = int(np.clip(rng.normal(49, 13.5), 20, 79))
        tall, heavy = rng.standard_normal(2)
        height = float(np.round((178 if man else 165.5) + 6.8 * tall - 0.06 * (age - 47), 1))
        bmi = 25.6 * np.exp(0.15 * heavy + 0.0025 * (age - 47) + (0.02 if man else -0.02))
        day = FIRST_DAY + datetime.timedelta(int(rng.integers((LAST_DAY - FIRST_DAY).days + 1)))
        out.append(
            Person(
                f"sub-{k + 1:05d}",
                k,
                "M" if man else "F",
                age,
                height,
                float(np.round(bmi * (height / 100) ** 2, 1)),
                site.name,
                day,
                int(rng.integers(8, 18)),
                "L" if rng.random() < 0.1 else "R",
                str(rng.integers(1, 4)),
                1.0 if man else 0.0,
            )
        )
    return out


def copy_of(person: Person, name: str) -> Person:
    """The same pictures under another name."""
    return replace(person, name=name, copy_of=person.name)
