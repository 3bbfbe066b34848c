"""A change request from its submission to its end (§5.2.2), and the steps that it has taken.

::

    submitted -> accepted -> approved -> scheduled -> executing -> done     -> closed
        |           |  ^        |            |            |------> reverted -> closed
        |           |  '--------+- asked again -----------+      | (the device changed since the approval)
        '-> refused '-> declined, withdrawn, expired             '-> stuck  -> closed

``accepted``: it was evaluated, and the customer is asked; what needs no approval goes on at once. An approval is bound
to the fingerprint of the running configuration and to the digest of the difference that was shown for it: when either
is another one at the moment of execution, nothing is done and the customer is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class ChangeState(StrEnum):
    """The last five but ``closed`` are ends of the matter itself; ``closed`` is that everyone was told."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    EXECUTING = "executing"
    DONE = "done"
    REVERTED = "reverted"
    STUCK = "stuck"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CLOSED = "closed"


OPEN: Final = frozenset(
    {
        ChangeState.SUBMITTED, ChangeState.ACCEPTED, ChangeState.APPROVED, ChangeState.SCHEDULED, ChangeState.EXECUTING,
        ChangeState.STUCK,
    }
)  # fmt: skip
"""Something is still to happen."""
OUTCOMES: Final = frozenset(
    {
        ChangeState.DONE, ChangeState.REVERTED, ChangeState.STUCK, ChangeState.REFUSED, ChangeState.DECLINED,
        ChangeState.WITHDRAWN, ChangeState.EXPIRED,
    }
)  # fmt: skip
"""What a request can come to."""
WITHDRAWABLE: Final = frozenset(
    {ChangeState.SUBMITTED, ChangeState.ACCEPTED, ChangeState.APPROVED, ChangeState.SCHEDULED}
)


_S: Final = ChangeState
FROM: Final[Mapping[ChangeState, frozenset[ChangeState]]] = {
    _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.REFUSED, _S.WITHDRAWN}),
    _S.ACCEPTED: frozenset({_S.APPROVED, _S.SCHEDULED, _S.DECLINED, _S.WITHDRAWN, _S.EXPIRED}),
    _S.APPROVED: frozenset({_S.SCHEDULED, _S.WITHDRAWN, _S.REFUSED}),
    _S.SCHEDULED: frozenset({_S.SCHEDULED, _S.EXECUTING, _S.WITHDRAWN, _S.REFUSED, _S.ACCEPTED}),
    _S.EXECUTING: frozenset(
        {_S.DONE, _S.REVERTED, _S.STUCK, _S.ACCEPTED, _S.SCHEDULED, _S.REFUSED, _S.WITHDRAWN}
    ),
    _S.STUCK: frozenset({_S.DONE, _S.REVERTED}),
    **dict.fromkeys(
        (_S.DONE, _S.REVERTED, _S.REFUSED, _S.DECLINED, _S.WITHDRAWN, _S.EXPIRED), frozenset({_S.CLOSED})
    ),
    _S.CLOSED: frozenset(),
}  # fmt: skip
"""Where a request may go from each state; nothing else is ever written. From ``executing`` to ``scheduled``: the device
could not be reached, and nothing was done; to ``withdrawn``: somebody gave the push up before it had an effect."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a customer is shown and approves, without any secret: the difference in words of the model and in the
    device's own. ``basis``: fingerprint of the running configuration. ``digest``: of basis, difference and order."""

    basis: str
    digest: str
    neutral: tuple[tuple[str, Any, Any], ...] = ()
    """(part of the model, before, after), as plain data."""
    native: str = ""
    notes: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's yes to exactly what was shown. ``by_id``: the account. ``words``: how it was given, where somebody
    else writes it down for the customer."""

    by: str
    by_id: str
    at: datetime
    basis: str
    digest: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    """Recorded, not invoiced. ``billable``: asked for more than the free days after activation (§5.2.2)."""

    billable: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """One step as it is kept and told. ``number`` counts from 1 within the request."""

    number: int
    state: ChangeState
    at: datetime
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """All durable truth about one. ``ticket``: ``CHG-000123``, used from then on (§5.1.1). ``parameters`` are masked;
    the whole ones are sealed beside it."""

    id: str
    ticket: str
    site_id: str
    site: str
    device_id: str
    device: str
    type: str
    """Entry of the change catalogue: ``open-port``."""
    type_version: int
    catalogue_version: int
    """Service catalogue that it was evaluated under; an approval fixes it."""
    parameters: Mapping[str, Any]
    summary: str
    submitted_by: str
    submitted_by_id: str
    submitted_at: datetime
    state: ChangeState = ChangeState.SUBMITTED
    revision: int = 1
    by_right: bool = False
    """One of the three settings that are the customer's (§5.2.1.1): no approval, at once."""
    standard: bool = True
    """Runs as soon as it is approved, regardless of the service schedule (§5.2.2); others wait for the window."""
    reason: str = ""
    """Of the state that it is in, in operators' words: why refused, what it waits for."""
    code: str = ""
    """The same for programs: ``not-entitled``, ``port-reserved``, ``device-changed``."""
    shown: Shown | None = None
    approval: Approval | None = None
    round: int = 0
    """Which approval this is: names the push, so that none is made twice. Counts up each time it is asked again."""
    not_before: datetime | None = None
    """Scheduled for."""
    requested_for: datetime | None = None
    """Not before this, as whoever submitted it wants."""
    push_id: str | None = None
    fee: Fee | None = None
    note: str = ""
    bulk_id: str | None = None
    key: str | None = None
    outcome: ChangeState | None = None
    """The end that the matter came to; it stays when the request is closed."""
    ended_at: datetime | None = None
    closed_at: datetime | None = None
    expires_at: datetime | None = None
    """Until when an answer of the customer is awaited."""
    look_at: datetime | None = None
    """Not looked at before this: somebody is at it, or what it needs did not answer. Of no concern to a customer."""
    tries: int = 0
    """How often what it needs did not answer, in the state that it is in."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A request with its steps, oldest first."""

    change: ChangeRequest
    steps: Sequence[ChangeStep] = field(default=())
