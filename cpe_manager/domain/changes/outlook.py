"""What happens next with a change request, in words for whoever asked for it or has to answer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cpe_manager.domain.changes.requests import ChangeRequest, ChangeState

_S: Final = ChangeState
_ENDED: Final = {
    _S.DONE: "nothing: it is done, and confirmed on the device",
    _S.REVERTED: "nothing: the device runs what it ran before; it can be asked for again",
    _S.REFUSED: "nothing: it was refused; once the reason is gone it can be asked for again",
    _S.DECLINED: "nothing: it was declined",
    _S.WITHDRAWN: "nothing: it was withdrawn",
    _S.EXPIRED: "nothing: nobody answered in time; it can be asked for again",
    _S.CLOSED: "nothing: it is closed",
}


def outlook(change: ChangeRequest, expires_at: datetime | None = None) -> tuple[str, datetime | None]:
    """In one sentence, and when, where that is known. ``expires_at``: until when an answer is awaited."""
    state = change.state
    if state in _ENDED:
        return _ENDED[state], None
    if state is _S.SUBMITTED:
        return "it is evaluated: is the subscription entitled to it, and does it fit the device?", None
    if state is _S.ACCEPTED:
        if change.by_right:
            return "it is executed at once, by right of the customer (§5.2.1.1)", change.requested_for
        return "somebody else than who submitted it approves or declines what is shown", expires_at
    if state is _S.APPROVED:
        return "it is scheduled", None
    if state is _S.SCHEDULED:
        return "it is executed", change.not_before
    if state is _S.EXECUTING:
        return "it is on its way: the device is changed, looked at, and confirmed or taken back", None
    return "an operator looks at the device: nobody knows what it runs", None
