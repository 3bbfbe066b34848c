"""What mails about changes, activations, incidents and data caps may say: read from where it is kept, and without any
secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from cpe_manager.domain.changes.requests import ChangeState
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.events import Event
from cpe_manager.domain.telling.notice_texts import Facts
from cpe_manager.ports.changes import ChangeStore
from cpe_manager.services.telling.notices import FactsOf, local

_SHOWN = frozenset({"change.accepted", "change.asked_again"})
"""When the customer is asked, the mail says for what."""
_DATED = frozenset({ChangeState.SCHEDULED.value})


def change_facts(store: ChangeStore, zone: str) -> FactsOf:
    async def facts(event: Event) -> Facts | None:
        try:
            change = (await store.change(str(event.data.get("change_id") or event.data.get("ticket")))).change
        except NotFound:
            return None
        shown = change.shown if event.kind in _SHOWN else None
        due = change.not_before if event.data.get("state") in _DATED else None
        return Facts(
            site=change.site,
            ticket=change.ticket,
            summary=change.summary,
            # Of the state that the event tells of, not of the one that it has come to since.
            reason=str(event.data.get("reason", change.reason) or ""),
            when=local(due, zone) if due is not None else "",
            by_right=change.by_right,
            differences=[_difference(*one) for one in shown.neutral] if shown is not None else (),
        )

    return facts


def activation_facts(zone: str) -> FactsOf:
    async def facts(event: Event) -> Facts | None:
        data: Mapping[str, Any] = event.data
        return Facts(
            site=str(data.get("site") or ""),
            summary=" ".join(str(data[name]) for name in ("formula", "technology") if data.get(name)),
            reason=str(data.get("reason") or ""),
            when=local(event.at, zone) if event.kind == "activation.activated" else "",
        )

    return facts


_SUBJECTS = {"line": "the line", "backup": "the mobile backup", "node": "the access node"}


def incident_facts(zone: str) -> FactsOf:
    """Of a line or its backup: where it is; of an access node: which one."""

    async def facts(event: Event) -> Facts | None:
        data: Mapping[str, Any] = event.data
        device, node = str(data.get("device") or ""), str(data.get("node") or "")
        subject = _SUBJECTS.get(str(data.get("subject")), "")
        return Facts(
            site=str(data.get("site") or node or device),
            summary=f"{subject} {f'of {device}' if device else node}".strip(),
            reason=str(data.get("reason") or ""),
            when=f"{event.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} ({zone})",
            priority=int(data.get("priority") or 0),
        )

    return facts


def cap_facts(zone: str) -> FactsOf:
    """Of a line's volume over mobile this month, and whether it grows just now."""

    async def facts(event: Event) -> Facts | None:
        growing = ", and goes over mobile now" if event.data.get("carrier") == "mobile" else ""
        return Facts(
            site=str(event.data.get("site") or event.device or ""),
            summary=f"{event.message}{growing}",
            when=local(event.at, zone),
        )

    return facts


def _difference(part: str, before: Any, after: Any) -> str:
    return f"{part}: {_plain(before)} -> {_plain(after)}"


def _plain(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_plain(each) for each in value)
    return str(value)
