"""Which fields are one thing: a field joins the strongest field that decides it, or given which it adds nothing.

Fields are taken in the order of their evidence; among equals the one that
decides most of the others comes first (every image is told by its source, and
so is its field strength: the source is the story). A field is compared with the
leads of the stories so far, the closest first, and only where an association
holds among all pairs compared together (Bonferroni). It joins a story

* where one of the two decides more than half of the other (lower end of the
  share's interval), or
* where the lead leaves too little of it to be told apart, or
* where, the lead being known, the images tell nothing of it any more.

All others begin a story of their own. Stories whose fields go together all the
same are tied: each says so, with what is left of it given the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .binding import Binding
from .given import Left

#: weaker associations are not asked about, however sure
WEAKEST = 0.1
#: stories are tied from this association on, at the lower end of its interval
TIE = 0.15
#: one thing: more than this share of one field is decided by the other
MOST_DECIDED = 0.5


@dataclass(frozen=True)
class Cue:
    """A field with evidence behind it.

    Attributes:
        field: the field
        strength: of its evidence, from 0 to 1
        measure: sample field of the quality measure that speaks for it, where no probe does
    """

    field: str
    strength: float
    measure: str = ""


@dataclass(frozen=True)
class Joined:
    """A field in a story that another one leads.

    Attributes:
        field: the field
        binding: how closely it goes with the lead
        decides: share of it that the lead decides
        decided: share of the lead that it decides
        left: what is left of it given the lead
        of_lead: what is left of the lead given it
    """

    field: str
    binding: Binding
    decides: float
    decided: float
    left: Left
    of_lead: Left


@dataclass
class Bundle:
    """Fields that are one thing.

    Attributes:
        lead: the field with the most evidence; of equals, the one that decides most of the others
        joined: the others
        ties: fields that lead other stories and go with this one all the same
    """

    lead: Cue
    joined: list[Joined] = field(default_factory=list)
    ties: list[Joined] = field(default_factory=list)


def bundle_fields(
    cues: list[Cue],
    bindings: dict[frozenset, Binding],
    decided: Callable[[str, str], tuple[float, float]],
    given: Callable[[Cue, str], Left],
) -> list[Bundle]:
    """Puts fields of one cause together.

    Args:
        cues: fields with evidence
        bindings: ``{{field, field}: association}`` of all pairs
        decided: ``decided(b, a)``: share of ``b`` that ``a`` decides, and its lower end
        given: ``given(cue, a)``: what is left of a field given ``a``; asked only for fields that are associated

    Returns:
        bundles, the strongest first
    """
    bundles: list[Bundle] = []
    for cue in _in_order(cues, decided):
        near = [(bindings.get(frozenset((cue.field, b.lead.field))), b) for b in bundles]
        near = [(k, b) for k, b in near if k is not None and k.sure > 0 and k.value >= WEAKEST]
        for binding, bundle in sorted(near, key=lambda pair: -pair[0].value):
            joined = _compare(cue, bundle.lead, binding, decided, given)
            if _is_one_thing(joined, cue, bundle.lead, decided):
                bundle.joined.append(joined)
                break
        else:
            bundles.append(Bundle(cue))
    for k, one in enumerate(bundles):
        for other in bundles[k + 1 :]:
            binding = bindings.get(frozenset((one.lead.field, other.lead.field)))
            if binding is not None and binding.sure > 0 and binding.interval[0] >= TIE:
                one.ties.append(_compare(other.lead, one.lead, binding, decided, given))
                other.ties.append(_compare(one.lead, other.lead, binding, decided, given))
    return bundles


def _in_order(cues: list[Cue], decided) -> list[Cue]:
    """The strongest first; of those that are equal to two digits, what decides most of the others."""
    peers: dict[float, list[Cue]] = {}
    for cue in cues:
        peers.setdefault(round(cue.strength, 2), []).append(cue)

    def decides(cue: Cue) -> float:
        others = [c for c in peers[round(cue.strength, 2)] if c is not cue]
        return sum(float(np.nan_to_num(decided(other.field, cue.field)[0])) for other in others)

    return sorted(cues, key=lambda c: (-round(c.strength, 2), -round(decides(c), 2), -c.strength, c.field))


def _compare(cue: Cue, lead: Cue, binding: Binding, decided, given) -> Joined:
    return Joined(
        cue.field,
        binding,
        decided(cue.field, lead.field)[0],
        decided(lead.field, cue.field)[0],
        given(cue, lead.field),
        given(lead, cue.field),
    )


def _is_one_thing(joined: Joined, cue: Cue, lead: Cue, decided) -> bool:
    if joined.left.answer in ("nothing", "inseparable"):
        return True
    return max(decided(cue.field, lead.field)[1], decided(lead.field, cue.field)[1]) >= MOST_DECIDED
