"""The chain by itself, and what events become in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpe_manager.api.schemas.kinds import EVENT_KINDS
from cpe_manager.domain.access.audit import (
    GENESIS,
    MOST_DATA,
    Checked,
    Fault,
    Head,
    Link,
    NewAuditEntry,
    Seen,
    Written,
    check,
    check_end,
    clean,
    data_text,
    opened,
    sealed,
    written,
)
from cpe_manager.domain.access.audit_events import AUDITED, entry_of
from cpe_manager.domain.events import Event
from tests.fakes.audit import KEY, FixedKeys

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
KEYS = FixedKeys().secret
LINK = Link(KEY, KEYS, NOW)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.builds(
    NewAuditEntry,
    at=st.timedeltas(timedelta(0), timedelta(days=9999)).map(lambda since: NOW + since),
    actor=st.text(max_size=20),
    actor_id=st.text(max_size=20),
    action=st.text(max_size=20),
    target=st.text(max_size=400),
    site=st.text(max_size=20),
    result=st.sampled_from(["done", "denied", "failed"]),
    data=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    source=st.text(max_size=20),
    request_id=st.text(max_size=20),
)  # fmt: skip


def chain(*entries: NewAuditEntry) -> tuple[list[Written], Head]:
    rows, head = LINK(None, None, entries, event_id=7)
    return list(rows), head


def an_entry(number: int = 1) -> NewAuditEntry:
    return NewAuditEntry(NOW + timedelta(seconds=number), "anna", "a1", "change.approved", data={"n": number})


@settings(max_examples=30)
@given(st.lists(ENTRIES, min_size=1, max_size=5))
def test_what_is_written_is_whole_and_comes_back_the_same(entries: list[NewAuditEntry]) -> None:
    rows, head = chain(*entries)
    state = check(rows, Checked(), KEYS)
    assert state == Checked(len(entries), rows[-1].digest)
    assert check_end(Checked(len(entries), rows[-1].digest), head, KEYS) is None
    for row, entry in zip(rows, entries, strict=True):
        assert opened(row).entry == clean(entry)
        assert clean(clean(entry)) == clean(entry)
        row.data.encode("ascii")


@settings(max_examples=20)
@given(st.data())
def test_any_change_of_any_field_is_found_where_it_is(data: st.DataObject) -> None:
    rows, _ = chain(*(an_entry(number) for number in range(6)))
    place = data.draw(st.integers(0, 5))
    name = data.draw(st.sampled_from(sorted(Written.__dataclass_fields__)))
    before = getattr(rows[place], name)
    if isinstance(before, datetime):
        changed: Any = before + timedelta(microseconds=data.draw(st.integers(1, 10**9)))
    elif isinstance(before, int):
        changed = data.draw(st.integers(1, 12).filter(lambda value: value != before))
    else:
        changed = data.draw(st.text(max_size=70).filter(lambda value: value != before))
    rows[place] = replace(rows[place], **{name: changed})
    rows.sort(key=lambda row: row.number)
    fault = check(rows, Checked(), KEYS)
    assert isinstance(fault, Fault)
    assert fault.number <= max(place + 1, changed if name == "number" else 0)


@settings(max_examples=20)
@given(st.permutations(range(6)), st.integers(1, 6))
def test_another_order_or_fewer_entries_are_found(order: list[int], kept: int) -> None:
    rows, head = chain(*(an_entry(number) for number in range(6)))
    moved = [replace(rows[old], number=new) for new, old in enumerate(order[:kept], 1)]
    came = check(moved, Checked(), KEYS)
    fault = came if isinstance(came, Fault) else check_end(came, head, KEYS)
    assert (fault is None) == (order[:kept] == list(range(6)))


def test_a_head_that_is_not_whole_is_never_mended_in_silence() -> None:
    rows, head = chain(an_entry(1), an_entry(2))
    last = Seen(2, rows[-1].digest)
    for broken, end in (
        (None, last),
        (replace(head, event_id=99), last),
        (replace(head, seal=GENESIS), last),
        (sealed(Head(1, rows[0].digest), KEY), last),
        (head, Seen(1, rows[0].digest)),
        (head, None),
    ):
        more, new = LINK(broken, end, [an_entry(3)], event_id=8)
        assert [row.action for row in more] == ["audit.head_broken", "change.approved"]
        assert more[0].number == 3
        assert new.number == 4
    more, new = LINK(head, last, [an_entry(3)], event_id=8)
    assert ([row.number for row in more], new.event_id) == ([3], 8)
    assert LINK(head, last, [], event_id=3)[1].event_id == 7


def test_what_is_too_long_is_cut_and_says_so() -> None:
    entry = clean(NewAuditEntry(NOW, "a" * 999, "", "x", data={"text": "b" * 9999}))
    assert len(entry.actor) == 300
    assert entry.data == {"cut": len(json.dumps({"text": "b" * 9999}, separators=(",", ":")))}
    assert len(data_text(entry.data)) < MOST_DATA
    row = written(entry, 1, GENESIS, KEY)
    assert check([row], Checked(), KEYS) == Checked(1, row.digest)
    with pytest.raises(ValueError):
        data_text({"x": float("nan")})


def an_event(kind: str, severity: str = "info", device: str | None = None, **data: Any) -> Event:
    return Event(5, kind, NOW, severity, device, None, None, "words", data)


def test_an_event_becomes_an_entry_that_says_who_and_what() -> None:
    one = entry_of(an_event("login.succeeded", account="anna", source="192.0.2.1", way="password"))
    assert (one.actor, one.target, one.result, one.source) == ("anna", "account:anna", "done", "192.0.2.1")
    assert entry_of(an_event("login.failed", account=None, source="192.0.2.1")).result == "denied"
    assert entry_of(an_event("login.failed", source="192.0.2.1")).actor == ""
    one = entry_of(an_event("token.created", token="ci", token_id="t", account="robot", by="dora"))
    assert (one.actor, one.target, one.data["account"]) == ("dora", "token:ci", "robot")
    one = entry_of(an_event("line.asked", device="gent-r1", line="L1", what="hold", by="otto", reason="dig"))
    assert (one.actor, one.target, one.data["what"], one.data["reason"]) == ("otto", "line:L1", "hold", "dig")
    one = entry_of(an_event("original.opened", "warning", "gent-r1", by="otto", version=3))
    assert (one.actor, one.target, one.data["version"]) == ("otto", "device:gent-r1", 3)
    one = entry_of(an_event("change.stuck", "error", "gent-r1", ticket="CHG-1", site="gent", state="stuck"))
    assert (one.actor, one.actor_id, one.target) == ("cpe-manager", "system", "change:CHG-1")
    assert (one.site, one.result, one.data["event"]) == ("gent", "failed", 5)


def test_every_kind_that_is_audited_is_a_kind_of_event() -> None:
    def known(pattern: str) -> bool:
        begin = pattern.removesuffix("*")
        return any(kind.startswith(begin) if pattern.endswith("*") else kind == pattern for kind in EVENT_KINDS)

    assert [pattern for pattern in AUDITED if not known(pattern)] == []
