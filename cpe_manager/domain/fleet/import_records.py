"""Single rows of an import: checked, laid over what is stored, and the access lines that they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.import_rules import Known, Problems
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, LifeState, LineKind

DEFAULT_LINE: Final = "main"
"""Name of a site's line when a record tells its kind or access node but not its name."""


@dataclass(frozen=True, slots=True)
class LineWish:
    """A line as the document wants it; ``kind`` None leaves the stored kind."""

    site: str
    ref: str
    kind: LineKind | None
    access_node: str | None


@dataclass(slots=True)
class _Checker:
    """One record on its way to canonical form."""

    record: DeviceRecord
    problems: Problems

    def note(self, reason: str) -> None:
        self.problems.add(f"device {self.record.name!r}: {reason}", file=self.record.file, line=self.record.line)

    def text(self, name: str, check: Any, *, required: bool = False) -> str | None:
        """The named field checked; None (not said) and '' (none) pass unless it is required."""
        value = getattr(self.record, name)
        if not value and not required:
            return None if value is None else ""
        try:
            return str(check(value or ""))
        except ValueError as error:
            self.note(f"{name.removesuffix('_ref')} {error}")
            return None

    def port(self) -> int | None:
        if not self.record.port:
            return self.record.port
        try:
            return rules.port(self.record.port)
        except ValueError as error:
            self.note(f"port {error}")
            return None


def check_record(record: DeviceRecord, known: Known, problems: Problems) -> DeviceRecord | None:
    """The record in canonical form, or None after its problems were noted."""
    before = len(problems.found)
    check = _Checker(record, problems)
    if record.state not in {LifeState.ACTIVE, LifeState.SUSPENDED}:
        check.note(f"state {record.state!r} cannot be imported; use active or suspended")
    checked = replace(
        record,
        name=check.text("name", rules.device_name, required=True) or "",
        address=check.text("address", rules.address, required=True) or "",
        site=check.text("site", rules.label) or "",
        port=check.port(),
        family=check.text("family", known.family),
        credential=check.text("credential", known.credential),
        line_ref=check.text("line_ref", rules.label),
        access_node=check.text("access_node", rules.label),
        serial=check.text("serial", rules.label),
        model=check.text("model", rules.label),
        settings=rules.settings(record.settings, check.note),
    )
    return checked if len(problems.found) == before else None


def is_other_hardware(before: Device, record: DeviceRecord) -> bool:
    """Serial numbers that are both known and differ mean other hardware."""
    return bool(before.serial and record.serial) and not _same(before.serial, record.serial)


def settled(
    before: Device | None, record: DeviceRecord, nodes: Mapping[tuple[str, str], str | None], *, swapped: bool = False
) -> Device:
    """The row as the record wants it. A row with an empty id is new: a new device, or new hardware on a position.

    ``nodes`` are the access nodes of known lines by (site, line).
    """
    base = before or _blank(record)
    site = record.site or base.site
    line, node = _line(base, record, site, nodes)
    after = replace(
        base,
        address=record.address,
        site=site,
        state=record.state,
        port=base.port if record.port is None else record.port or None,
        family=_said(record.family, base.family),
        group=_said(record.group, base.group),
        credential=_said(record.credential, base.credential),
        line=line,
        access_node=node,
        serial=base.serial if _same(base.serial, record.serial) else _said(record.serial, base.serial),
        model=_said(record.model, None if swapped else base.model),
        settings=_merged(base.settings, record.settings),
    )
    return replace(after, id="", installed_at=None, removed_at=None) if swapped else after


def _blank(record: DeviceRecord) -> Device:
    return Device(
        id="",
        position_id="",
        site_id="",
        site=record.site or record.name,
        name=record.name,
        address=record.address,
        state=record.state,
    )


def _said(value: str | None, stored: str | None) -> str | None:
    return stored if value is None else value or None


def _same(stored: str | None, given: str | None) -> bool:
    return bool(stored and given and stored.casefold() == given.casefold())


def _merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**stored, **given}.items() if value is not None}


def _line(
    base: Device, record: DeviceRecord, site: str, nodes: Mapping[tuple[str, str], str | None]
) -> tuple[str | None, str | None]:
    line = _said(record.line_ref, base.line)
    if line is None and (record.access_node or record.line_kind):
        line = DEFAULT_LINE
    if line is None:
        silent = record.line_ref is None and record.access_node is None
        return None, base.access_node if silent else None
    stays = (site, line) == (base.site, base.line)
    known = base.access_node if stays else nodes.get((site, line))
    return line, _said(record.access_node, known)


def line_wishes(
    results: Iterable[tuple[Device, DeviceRecord]], stored: Mapping[str, Device], problems: Problems
) -> tuple[LineWish, ...]:
    """Lines to make or update. A stored row does not tell its line's kind, so a stated kind is always wished for."""
    wishes: dict[tuple[str, str], tuple[LineWish, Device]] = {}
    for device, record in results:
        if device.line is None:
            continue
        before = stored.get(device.name)
        place = before and (before.site, before.line, before.access_node)
        if place == (device.site, device.line, device.access_node) and record.line_kind is None:
            continue
        wish = LineWish(device.site, device.line, record.line_kind, device.access_node)
        first, owner = wishes.setdefault((wish.site, wish.ref), (wish, device))
        if _clash(first.kind, wish.kind) or _clash(first.access_node, wish.access_node):
            problems.add(
                f"devices {owner.name!r} and {device.name!r} tell different things of line {wish.ref!r} "
                f"of site {wish.site!r}; make line_kind and access_node agree",
                file=record.file,
                line=record.line,
            )
        joined = replace(first, kind=first.kind or wish.kind, access_node=first.access_node or wish.access_node)
        wishes[wish.site, wish.ref] = (joined, owner)
    return tuple(wish for wish, _ in wishes.values())


def _clash(one: str | None, other: str | None) -> bool:
    return bool(one and other) and one != other
