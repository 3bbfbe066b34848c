"""Of what customer and operator are told by mail (§5.1.1, §5.2.2): the customer of the opening of his ticket, of each
change, of the outcome and of the closing, and of a refusal with its reason; the operator of incidents and of data caps
as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cpe_manager.domain.telling.mail import Audience

BOTH: Final = frozenset[Audience]({"customer", "operator"})
CUSTOMER: Final = frozenset[Audience]({"customer"})
OPERATOR: Final = frozenset[Audience]({"operator"})
NOBODY: Final = frozenset[Audience]()

TOLD: Final[Mapping[str, frozenset[Audience]]] = {
    "change.submitted": BOTH,
    "change.accepted": BOTH,
    "change.asked_again": BOTH,
    "change.refused": BOTH,
    "change.approved": BOTH,
    "change.declined": BOTH,
    "change.withdrawn": BOTH,
    "change.expired": BOTH,
    "change.scheduled": BOTH,
    "change.executing": BOTH,
    "change.done": BOTH,
    "change.reverted": BOTH,
    "change.stuck": BOTH,
    "change.closed": BOTH,
    "activation.ordered": BOTH,
    "activation.rush_answered": BOTH,
    "activation.activated": BOTH,
    "activation.cancelled": BOTH,
    # Work of the house: what does not go on, and what a person has to look at.
    "activation.failed": OPERATOR,
    "incident.opened": OPERATOR,
    "incident.changed": OPERATOR,
    "incident.closed": OPERATOR,
    "activation.reported": OPERATOR,
    "line.cap_near": OPERATOR,
    "line.cap_reached": OPERATOR,
}
"""By kind of event; whatever is not here is told to nobody."""

KINDS: Final = tuple(TOLD)


def told_to(kind: str) -> frozenset[Audience]:
    return TOLD.get(kind, NOBODY)
