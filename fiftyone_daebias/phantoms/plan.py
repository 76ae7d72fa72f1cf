"""The plan of a phantom cohort: who is scanned how, and what was planted. Cheap; nothing is drawn yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import InputError
from .frame import REGIONS
from .people import Person, Site, copy_of, make_people, make_sites
from .plants import Plant, choose, parse_plant
from .scan import Scan

#: kinds that are effects on the picture, by their name in effects.py
_IMAGE_EFFECTS = ("shading", "contrast")


@dataclass(frozen=True)
class Plan:
    """A cohort before it is drawn.

    Attributes:
        people: the participants
        scans: ``{participant: its volumes}``
        plants: what was planted
        affected: for each plant the volumes it shows in, as (participant, region)
        sites: the sites
        seed: seed of everything
    """

    people: list[Person]
    scans: dict[str, list[Scan]]
    plants: list[Plant]
    affected: list[list[tuple[str, str]]]
    sites: list[Site] = field(default_factory=list)
    seed: int = 0


def make_plan(subjects: int, plants: list[str], sites: list[str], regions: list[str], seed: int) -> Plan:
    """Plans a cohort.

    Raises:
        InputError: plants, sites or regions that cannot be used
    """
    unknown = [r for r in regions if r not in REGIONS]
    if unknown or not regions:
        raise InputError(f"regions: one or more of {', '.join(REGIONS)}; got {', '.join(unknown) or 'none'}")
    places = make_sites(sites, seed)
    parsed = [parse_plant(p, [s.name for s in places]) for p in plants]
    for plant in parsed:
        if not set(plant.regions) & set(regions):
            raise InputError(f"plants: {plant.text!r} shows in none of the regions {', '.join(regions)}")
    men = {p.where["site"]: (1 + p.strength) / 2 for p in parsed if p.kind == "sampling"}
    people = make_people(subjects, places, seed, men)
    station = {s.name: s for s in places}
    chosen = [[] if p.kind == "nothing" else choose(p, n, people, seed) for n, p in enumerate(parsed)]
    people = _change_people(people, parsed, chosen)
    scans: dict[str, list[Scan]] = {}
    for person in people:
        site = station[person.site]
        software = "SP 4.2" if person.date >= site.upgrade else "SP 4.1"
        scans[person.name] = [Scan(person, r, site.station, software) for r in regions]
    affected = []
    copies: list[Person] = []
    for n, plant in enumerate(parsed):
        names = [people[k].name for k in chosen[n]]
        if plant.kind == "duplicate":
            continue
        for name in names:
            scans[name] = [_change(s, plant) if s.region in plant.regions else s for s in scans[name]]
        affected.append([(m, r) for m in names for r in regions if r in plant.regions])
    for n, plant in enumerate(parsed):
        if plant.kind == "duplicate":
            pairs = []
            for k in chosen[n]:
                # known to the same site, scanned the same day: only the id is another
                twin = copy_of(people[k], f"sub-{len(people) + len(copies) + 1:05d}")
                copies.append(twin)
                scans[twin.name] = [
                    replace(s, person=twin, extra_noise=max(s.extra_noise, plant.strength))
                    for s in scans[people[k].name]
                ]
                pairs += [(m, r) for m in (people[k].name, twin.name) for r in regions]
            affected.insert(n, pairs)
    for n, plant in enumerate(parsed):
        if plant.kind != "duplicate":  # a copy shows what its original shows
            own = set(affected[n])
            affected[n] += [(c.name, r) for c in copies for r in regions if (c.copy_of, r) in own]
    return Plan(people + copies, scans, parsed, affected, places, seed)


def _change_people(people: list[Person], plants: list[Plant], chosen: list[list[int]]) -> list[Person]:
    out = list(people)
    for plant, rows in zip(plants, chosen, strict=True):
        for k in rows:
            p = out[k]
            if plant.kind == "headrest":
                out[k] = replace(p, neck_change=p.neck_change - plant.strength)
            elif plant.kind == "twin":
                own = 1.0 if p.sex == "M" else 0.0
                out[k] = replace(p, maleness=p.maleness + plant.strength * (1 - 2 * own))
            elif plant.kind == "label":
                out[k] = replace(p, recorded=(("sex", "F" if p.sex == "M" else "M"),))
    return out


def _change(scan: Scan, plant: Plant) -> Scan:
    kind, strength = plant.kind, plant.strength
    if kind == "shift":
        return replace(scan, shift=scan.shift + strength)
    if kind == "te":
        return replace(scan, te=scan.te + strength, software="SP 5.0")
    if kind in _IMAGE_EFFECTS:
        software = "SP 5.0" if kind == "contrast" else scan.software
        return replace(scan, image_effects=(*scan.image_effects, (kind, strength)), software=software)
    if kind == "noise":
        return replace(scan, extra_noise=scan.extra_noise + strength)
    if kind == "spacing":
        return replace(scan, coarser=(1 + scan.coarser) * (1 + strength) - 1)
    if kind == "lost-slice":
        return replace(scan, lost=scan.lost + round(strength))
    if kind == "flip":
        return replace(scan, flipped=not scan.flipped)
    if kind == "marker":
        return replace(scan, marker=max(scan.marker, strength))
    return scan  # people were changed already
