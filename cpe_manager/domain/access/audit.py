"""The audit log: who did what to what, append-only, each entry chained to the one before it by a keyed digest.

The digest is an HMAC under a key of the installation's key ring: whoever can write the database, and nothing else, can
neither alter an entry nor leave one out without its showing. What is cut off at the end shows by the head, which is
kept beside the entries under a seal of the same key, and by what lies outside the database: the process's log and the
witness file.

::

    digest(n) = HMAC-SHA256(key, "cpe-manager audit 1\\n" + JSON of [n, at, actor, ..., digest(n - 1)])
    seal      = HMAC-SHA256(key, "cpe-manager audit head 1\\n" + JSON of [number, digest, event, key id])
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

Result = Literal["done", "denied", "failed"]

GENESIS: Final = "0" * 64
"""``previous`` of the first entry."""
BROKEN: Final = "audit.head_broken"
"""Action of the entry that says that the head had been tampered with when it was written."""
MOST_TEXT: Final = 300
"""Characters of any one field."""
MOST_DATA: Final = 4000
"""Characters of ``data`` as JSON."""
SEARCH: Final = 5_000
"""How far around its place an entry is looked for that may have been moved."""

_ENTRY: Final = b"cpe-manager audit 1\n"
_HEAD: Final = b"cpe-manager audit head 1\n"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """``action``: ``change.approved``, ``token.created``, ``login``, or for the rest the operation id of the API.
    ``target``: what it was done to, ``kind:id`` or a name. ``data`` is JSON-ready and without secrets."""

    at: datetime
    actor: str
    actor_id: str
    action: str
    target: str = ""
    site: str = ""
    result: Result = "done"
    data: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """Address that the request came from."""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """``number`` counts up by one, from 1. ``previous`` and ``digest``: hexadecimal. ``key_id``: which key it is
    chained with."""

    number: int
    entry: NewAuditEntry
    previous: str
    digest: str
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An entry as it is stored: ``data`` is the JSON text that the digest was made of, character by character."""

    number: int
    at: datetime
    actor: str
    actor_id: str
    action: str
    target: str
    site: str
    result: str
    data: str
    source: str
    request_id: str
    previous: str
    key_id: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain. ``event_id``: events up to it have been taken over. ``seal`` covers the other fields."""

    number: int = 0
    digest: str = GENESIS
    event_id: int = 0
    key_id: str = ""
    seal: str = ""


@dataclass(frozen=True, slots=True)
class AuditKey:
    """``id`` is public; ``secret`` is 32 bytes."""

    id: str
    secret: bytes = field(repr=False)


Keys = Callable[[str], bytes | None]
"""The secret of a key by its id; None: not one of this installation's."""

What = Literal["edited", "missing", "reordered", "forked", "cut", "head"]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong. ``number``: of the entry where it shows.

    ``edited``: the entry is not what was written, or was never written with the key. ``missing``: it is not there,
    though later ones are. ``reordered``: it is another entry, moved here. ``forked``: it was written here, but after
    other entries than those that stand before it: the database was exchanged for another copy. ``cut``: the end is
    gone. ``head``: the entries are whole, and the head is not theirs.
    """

    number: int
    what: What
    detail: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry that somebody outside the database has seen."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Where a verification stands: everything up to ``number`` is whole, and ends with ``digest``."""

    number: int = 0
    digest: str = GENESIS


def clean(entry: NewAuditEntry) -> NewAuditEntry:
    """As it can be stored anywhere and read back the same; what is too long is cut and says so."""
    texts: dict[str, Any] = {
        name: _storable(str(getattr(entry, name)))
        for name in ("actor", "actor_id", "action", "target", "site", "source", "request_id")
    }
    data = json.loads(data_text(entry.data))
    return replace(entry, at=entry.at.astimezone(UTC), data=data, **texts)


def data_text(data: Mapping[str, Any]) -> str:
    """JSON in one spelling, ASCII only. Raises ``ValueError``, ``TypeError`` for what is no JSON."""
    text = json.dumps(dict(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text if len(text) <= MOST_DATA else json.dumps({"cut": len(text)})


def written(entry: NewAuditEntry, number: int, previous: str, key: AuditKey) -> Written:
    """``entry`` at its place in the chain, with its digest."""
    ready = clean(entry)
    row = Written(
        number, ready.at, ready.actor, ready.actor_id, ready.action, ready.target, ready.site, ready.result,
        data_text(ready.data), ready.source, ready.request_id, previous, key.id,
    )  # fmt: skip
    return replace(row, digest=digest_of(row, key.secret))


def opened(row: Written) -> AuditEntry:
    """For showing; a text that is no JSON any more shows as itself."""
    try:
        data = json.loads(row.data)
    except ValueError:
        data = None
    entry = NewAuditEntry(
        row.at, row.actor, row.actor_id, row.action, row.target, row.site, row.result,  # type: ignore[arg-type]
        data if isinstance(data, dict) else {"unreadable": row.data[:MOST_TEXT]}, row.source, row.request_id,
    )  # fmt: skip
    return AuditEntry(row.number, entry, row.previous, row.digest, row.key_id)


def digest_of(row: Written, secret: bytes) -> str:
    """What the digest of the row has to be; its own is not looked at."""
    fields = [
        row.number, (row.at - _EPOCH) // _MICROSECOND, row.actor, row.actor_id, row.action, row.target, row.site,
        row.result, row.data, row.source, row.request_id, row.previous, row.key_id,
    ]  # fmt: skip
    return hmac.digest(secret, _ENTRY + _json(fields), "sha256").hex()


def sealed(head: Head, key: AuditKey) -> Head:
    """``head`` under the seal of ``key``."""
    named = replace(head, key_id=key.id)
    return replace(named, seal=_seal(named, key.secret))


def seal_holds(head: Head, keys: Keys) -> bool:
    secret = keys(head.key_id)
    return secret is not None and _same(_seal(head, secret), head.seal)


@dataclass(frozen=True, slots=True)
class Link:
    """How entries are hung onto a chain: the one function that a store needs besides its tables."""

    key: AuditKey
    keys: Keys
    now: datetime

    def __call__(
        self, head: Head | None, last: Seen | None, entries: Sequence[NewAuditEntry], *, event_id: int
    ) -> tuple[Sequence[Written], Head]:
        """The rows and the new head. ``head``: as it is stored, None where there is none. ``last``: the last entry
        that is stored. ``event_id``: up to which events have been taken over now.

        A head that is not whole is never mended in silence: the first row says what was found.
        """
        found = head or Head()
        why = self._trouble(head, last)
        start = max(Seen(found.number, found.digest), last or Seen(0, GENESIS), key=lambda one: one.number)
        news = list(entries)
        if why:
            data = {"why": why, "head": found.number, "last": last.number if last else 0}
            said = NewAuditEntry(self.now, "cpe-manager", "system", BROKEN, result="failed", data=data)
            news.insert(0, said)
        rows: list[Written] = []
        previous = start.digest
        for number, entry in enumerate(news, start.number + 1):
            rows.append(written(entry, number, previous, self.key))
            previous = rows[-1].digest
        new = Head(start.number + len(rows), previous, max(event_id, found.event_id))
        return rows, sealed(new, self.key)

    def _trouble(self, head: Head | None, last: Seen | None) -> str:
        if head is None:
            return "there are entries, but no head" if last else ""
        if not seal_holds(head, self.keys):
            return "the head's seal is broken"
        number = last.number if last else 0
        if number > head.number:
            return "there are entries after the head"
        return "entries at the end are missing" if number < head.number else ""


def check(rows: Iterable[Written], state: Checked, keys: Keys) -> Checked | Fault:
    """Go on from ``state`` over rows in the order of their numbers; the first fault, or where it stands then."""
    for row in rows:
        expected = state.number + 1
        fault = fault_of(row, keys)
        if row.number > expected:
            # One that was moved away leaves a gap as well; the gap comes first.
            return Fault(expected, "missing", _gap(expected, row.number - 1))
        if fault is not None:
            return fault
        if row.previous != state.digest:
            return Fault(row.number, "forked", f"it was not written after the entry {state.number} that stands here")
        if row.action == BROKEN:
            return Fault(row.number, "head", f"when it was written something was wrong with the log: {row.data}")
        state = Checked(row.number, row.digest)
    return state


def check_end(state: Checked, head: Head | None, keys: Keys) -> Fault | None:
    """Whether ``state``, reached with the last row, is the end that the head knows."""
    after = state.number + 1
    if head is None:
        return Fault(state.number, "head", "the head is gone") if state.number else None
    if not seal_holds(head, keys):
        return Fault(after if head.number > state.number else state.number, "head", "the head was edited")
    if head.number > state.number:
        return Fault(after, "cut", _gap(after, head.number))
    if head.number < state.number or head.digest != state.digest:
        return Fault(state.number, "head", f"the head is an older one: it ends with entry {head.number}")
    return None


def check_seen(seen: Seen, found: Written | None, last: int) -> Fault | None:
    """Whether what somebody outside has seen is still there, and the same."""
    if found is None:
        if seen.number > last:
            return Fault(last + 1, "cut", f"entry {seen.number} has been seen, and the log ends with {last}")
        return Fault(seen.number, "missing", "it has been seen, and is not there")
    if found.digest != seen.digest:
        return Fault(seen.number, "forked", "another entry of this number has been seen: the database is another copy")
    return None


def fault_of(row: Written, keys: Keys) -> Fault | None:
    """What is wrong with an entry by itself, whatever stands before it."""
    secret = keys(row.key_id)
    if secret is None:
        return Fault(row.number, "edited", "it names a key that this installation does not have")
    if _same(digest_of(row, secret), row.digest):
        return None
    near = range(max(1, row.number - SEARCH), row.number + SEARCH)
    # Nearest first: what was renumbered after a deletion lies beside its place.
    for number in sorted(near, key=lambda one: abs(one - row.number)):
        if _same(digest_of(replace(row, number=number), secret), row.digest):
            return Fault(row.number, "reordered", f"it is the entry that was written as number {number}")
    return Fault(row.number, "edited", "it is not what was written, or was not written by this installation")


def _gap(first: int, last: int) -> str:
    return f"entry {first} is not there" if first == last else f"entries {first} to {last} are not there"


def _same(made: str, stored: str) -> bool:
    # What is stored may have been made of anything; only bytes of anything can be compared.
    return hmac.compare_digest(made.encode(), stored.encode(errors="replace"))


def _seal(head: Head, secret: bytes) -> str:
    body = _json([head.number, head.digest, head.event_id, head.key_id])
    return hmac.digest(secret, _HEAD + body, "sha256").hex()


def _json(fields: list[Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _storable(text: str) -> str:
    whole = _UNSTORABLE.sub("\ufffd", text)
    return whole if len(whole) <= MOST_TEXT else whole[: MOST_TEXT - 3] + "..."
