"""Mails that wait to be sent, are tried again, and end as sent or failed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from cpe_manager.domain.errors import InputError

State = Literal["queued", "sent", "failed"]
Audience = Literal["customer", "operator"]

LONGEST_ADDRESS: Final = 254
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*"
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Mail:
    """``event_id``: the event that it tells of; one mail for each event and recipient. ``attempts``: so far.
    ``next_at``: not before then. ``fence``: counts up with each process that takes it. ``about``: what else comes about
    the same, while it has not been tried yet, is gathered into it; empty: nothing is."""

    id: str
    event_id: int
    kind: str
    site: str
    audience: Audience
    recipient: str
    language: str
    subject: str
    body: str
    created_at: datetime
    state: State = "queued"
    attempts: int = 0
    next_at: datetime | None = None
    reason: str = ""
    """Of the last failure."""
    sent_at: datetime | None = None
    fence: int = 0
    about: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of handing a mail to the server. ``permanent``: it will never be taken. ``server``: it is not about
    this mail, the server takes none."""

    taken: bool
    reason: str = ""
    permanent: bool = False
    server: bool = False


def address(text: str) -> str:
    """A mail address, and nothing that a header or a command of SMTP could be made of. Raises ``InputError``."""
    found = text.strip()
    if len(found) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(found):
        raise InputError(f"{one_line(found, 60)!r} is no mail address")
    return found


def addresses(text: str) -> tuple[str, ...]:
    """Several with commas between. Raises ``InputError``."""
    return tuple(dict.fromkeys(address(part) for part in text.split(",") if part.strip()))


def one_line(text: str, most: int = 500) -> str:
    """Without control characters and line ends of any kind: what comes of a person becomes no header and no line."""
    whole = " ".join(_CONTROL.sub(" ", text).split())
    return whole if len(whole) <= most else whole[: most - 3] + "..."


def gathered(waiting: Mail, fresh: Mail) -> Mail:
    """One mail instead of two about the same, to the same: the subject of the later one, the words of both in their
    order. Texts are blocks with an empty line between: a greeting, what there is to say, and a close."""
    first, more = waiting.body.split("\n\n"), fresh.body.split("\n\n")
    body = "\n\n".join([*first[:-1], *more[1:-1], first[-1]])
    return replace(waiting, kind=fresh.kind, subject=fresh.subject, body=body)


def pause(attempts: int, jitter: float) -> timedelta:
    """Before the next try after so many: from 30 s, doubled each time, an hour at most, and up to a fifth less
    (``jitter`` from 0 to 1)."""
    seconds = min(_FIRST_PAUSE * 2.0 ** min(attempts - 1, 20), _LONGEST_PAUSE)
    return timedelta(seconds=seconds * (1 - jitter / 5))


def message_id(mail: Mail, domain: str) -> str:
    """The same each time it is sent: a server that got it twice may drop one."""
    to = hashlib.sha256(mail.recipient.encode()).hexdigest()[:16]
    return f"<event-{mail.event_id}.{to}@{domain}>"
