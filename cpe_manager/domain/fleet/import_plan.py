"""What an import would do: the stored inventory and a document in, a plan out; nothing is changed here.

A document is all or nothing: one wrong row and ``ImportErrors`` names every problem of it. The same document planned
again after it was applied gives a plan without changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cpe_manager.domain.fleet.import_groups import GroupBook, read_groups
from cpe_manager.domain.fleet.import_records import LineWish, check_record, is_other_hardware, line_wishes, settled
from cpe_manager.domain.fleet.import_rules import Known, PlacedGroup, Problems
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, Group, InventoryDocument, LifeState
from cpe_manager.domain.fleet.settings_inheritance import in_groups, with_descendants

COMPARED = (
    "site", "address", "port", "family", "group", "credential",
    "line", "access_node", "serial", "model", "state", "settings",
)  # fmt: skip
"""Fields of a device that an import may change."""


@dataclass(frozen=True, slots=True)
class Existing:
    """The stored inventory. ``devices`` of every state, so that sites and earlier bearers of a name are known."""

    devices: Sequence[Device]
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    suspend_missing: bool = False
    """Suspend active devices that the document does not list."""
    scope: tuple[str, ...] | None = None
    """Limits ``suspend_missing`` to these groups and those below them."""
    swapped: tuple[str, ...] = ()
    """Devices whose hardware is another one whatever the serial numbers say."""
    make_groups: bool = False
    """Make groups that records name and that do not exist, with a warning; else they are errors."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """A row before and after. ``after.site_id`` is still the old one when the site changes."""

    before: Device
    after: Device

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        pairs = ((name, getattr(self.before, name), getattr(self.after, name)) for name in COMPARED)
        return tuple(FieldChange(name, old, new) for name, old, new in pairs if old != new)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Devices in ``added`` have empty ids. In ``replaced``, ``before`` leaves service and ``after`` is a new row
    with an empty id on the same position (§5.1.3)."""

    groups: tuple[Group, ...] = ()
    added: tuple[Device, ...] = ()
    changed: tuple[DeviceChange, ...] = ()
    suspended: tuple[DeviceChange, ...] = ()
    resumed: tuple[DeviceChange, ...] = ()
    replaced: tuple[DeviceChange, ...] = ()
    unchanged: tuple[Device, ...] = ()
    lines: tuple[LineWish, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when applying it would change nothing."""
        changes = (self.groups, self.added, self.changed, self.suspended, self.resumed, self.replaced, self.lines)
        return not any(changes)


@dataclass(slots=True)
class _Work:
    """The plan while it is being made."""

    existing: Existing
    known: Known
    problems: Problems
    book: GroupBook
    in_service: Mapping[str, Device]
    retired_names: frozenset[str]
    nodes: Mapping[tuple[str, str], str | None]
    options: PlanOptions
    added: list[Device] = field(default_factory=list)
    changes: dict[str, list[DeviceChange]] = field(
        default_factory=lambda: {"changed": [], "suspended": [], "resumed": [], "replaced": []}
    )
    unchanged: list[Device] = field(default_factory=list)
    results: list[tuple[Device, DeviceRecord]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan(
    existing: Existing,
    document: InventoryDocument,
    known: Known,
    options: PlanOptions = PlanOptions(),
) -> ImportPlan:
    """What applying the document would do. Raises ``ImportErrors``."""
    if options.make_groups:
        document = _with_missing_groups(existing, document)
    work = _start(existing, document, known, options)
    listed = _records(work, document)
    if options.suspend_missing:
        _suspend_missing(work, listed)
    _check_in_force(work)
    lines = line_wishes(work.results, work.in_service, work.problems)
    work.problems.raise_if_any()
    return ImportPlan(
        groups=work.book.changed,
        added=tuple(work.added),
        changed=tuple(work.changes["changed"]),
        suspended=tuple(work.changes["suspended"]),
        resumed=tuple(work.changes["resumed"]),
        replaced=tuple(work.changes["replaced"]),
        unchanged=tuple(work.unchanged),
        lines=lines,
        warnings=(*document.warnings, *work.warnings),
    )


def _with_missing_groups(existing: Existing, document: InventoryDocument) -> InventoryDocument:
    there = {group.name for group in (*existing.groups, *document.groups)}
    missing: dict[str, Group] = {}
    for record in document.devices:
        if record.group and record.group not in there:
            missing.setdefault(record.group, PlacedGroup(record.group, file=record.file, line=record.line))
    notes = (f"group {name!r} did not exist and is made, without settings" for name in missing)
    return replace(document, groups=(*document.groups, *missing.values()), warnings=(*document.warnings, *notes))


def _start(existing: Existing, document: InventoryDocument, known: Known, options: PlanOptions) -> _Work:
    problems = Problems()
    in_service = {d.name: d for d in existing.devices if d.state is not LifeState.DECOMMISSIONED}
    return _Work(
        existing=existing,
        known=known,
        problems=problems,
        book=read_groups(existing.groups, document.groups, known, problems),
        in_service=in_service,
        retired_names=frozenset(d.name for d in existing.devices) - in_service.keys(),
        nodes={(d.site, d.line): d.access_node for d in in_service.values() if d.line is not None},
        options=options,
    )


def _records(work: _Work, document: InventoryDocument) -> set[str]:
    """Sort every record into its heap; returns the names listed."""
    first_place: dict[str, DeviceRecord] = {}
    for record in document.devices:
        earlier = first_place.setdefault(record.name, record)
        if earlier is not record:
            work.problems.add(
                f"device {record.name!r} is listed already at {earlier.file}:{earlier.line}; keep one of them",
                file=record.file,
                line=record.line,
            )
            continue
        checked = check_record(record, work.known, work.problems)
        if checked is not None:
            _sort(work, checked)
    return set(first_place)


def _sort(work: _Work, record: DeviceRecord) -> None:
    before = work.in_service.get(record.name)
    swapped = before is not None and (record.name in work.options.swapped or is_other_hardware(before, record))
    after = settled(before, record, work.nodes, swapped=swapped)
    work.results.append((after, record))
    if before is None:
        work.added.append(after)
        if record.name in work.retired_names:
            work.warnings.append(f"device {record.name!r} was decommissioned before; it starts a new history")
        return
    change = DeviceChange(before, after)
    if swapped:
        work.changes["replaced"].append(change)
    elif before.state is not after.state:
        work.changes["resumed" if after.state is LifeState.ACTIVE else "suspended"].append(change)
    elif change.fields:
        work.changes["changed"].append(change)
    else:
        work.unchanged.append(before)
    if before.site != after.site:
        work.warnings.append(f"device {after.name!r} moves from site {before.site!r} to {after.site!r}")


def _suspend_missing(work: _Work, listed: set[str]) -> None:
    if not listed:
        work.problems.add("the document lists no device, and would suspend all of them; leave suspend_missing off")
        return
    groups = None if work.options.scope is None else _scope(work, work.options.scope)
    for device in work.in_service.values():
        missing = device.name not in listed and device.state is LifeState.ACTIVE
        if missing and (groups is None or in_groups(device, groups)):
            work.changes["suspended"].append(DeviceChange(device, replace(device, state=LifeState.SUSPENDED)))


def _scope(work: _Work, names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name not in work.book.groups:
            work.problems.add(f"group {name!r}, to which suspending is limited, does not exist")
    return with_descendants(names, work.book.groups.values())


def _check_in_force(work: _Work) -> None:
    """Every device that will be in service has a family, and no two active ones share an address and port.

    What is wrong already between stored devices that the document does not touch is not the document's fault.
    """
    records = {record.name: record for _, record in work.results}
    suspended = {change.before.name for change in work.changes["suspended"]}
    untouched = [d for d in work.in_service.values() if d.name not in records and d.name not in suspended]
    bearer: dict[tuple[str, int], Device] = {}
    for device in (*untouched, *(after for after, _ in work.results)):
        record = records.get(device.name)
        touched = record is not None or device.group in work.book.affected
        resolved = work.book.in_force(device, record, work.problems if touched else Problems())
        if resolved is None or device.state is not LifeState.ACTIVE:
            continue
        other = bearer.setdefault((device.address, resolved.port), device)
        if other is not device and (touched or other.group in work.book.affected):
            place = record or records.get(other.name)
            work.problems.add(
                f"devices {other.name!r} and {device.name!r} share address {device.address} port {resolved.port}; "
                "correct one of them",
                file=place.file if place else None,
                line=place.line if place else None,
            )
