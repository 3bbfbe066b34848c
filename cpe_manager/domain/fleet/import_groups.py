"""Groups of an import: checked, joined with the stored ones, and asked what a device inherits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet import import_rules as rules
from cpe_manager.domain.fleet.import_rules import Known, PlacedGroup, Problems
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, Group
from cpe_manager.domain.fleet.settings_inheritance import Resolved, group_chain, port_of, resolve, with_descendants


@dataclass(slots=True)
class GroupBook:
    """The groups as they will be. ``affected`` are those that the document changes, and those below them."""

    groups: Mapping[str, Group]
    changed: tuple[Group, ...] = ()
    affected: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    """Groups whose chain has no end; reported once, at the group."""
    _inherited: dict[str, Resolved] = field(default_factory=dict)

    def in_force(self, device: Device, record: DeviceRecord | None, problems: Problems) -> Resolved | None:
        """What applies to the device, or None after its problem was noted."""
        place = (record.file, record.line) if record else (None, None)
        if device.group is not None and device.group in self.broken:
            return None
        if device.group is not None and device.group not in self.groups:
            reason = f"device {device.name!r}: group {device.group!r} does not exist; make it first"
            problems.add(reason, file=place[0], line=place[1])
            return None
        inherited = self._inherit(device.group)
        if not (device.family or inherited.family):
            where = f"group {device.group!r} has none" if device.group else "it is in no group"
            reason = f"device {device.name!r}: no family is given and {where}; give the device or its group one"
            problems.add(reason, file=place[0], line=place[1])
        if record and device.settings.get("transport") == "telnet" and not inherited.settings.allow_telnet:
            where = f"group {device.group!r} does not allow it" if device.group else "it is in no group"
            reason = f"device {device.name!r}: Telnet is spoken where a group says allow_telnet, and {where}"
            problems.add(reason, file=place[0], line=place[1])
        return Resolved(
            family=device.family or inherited.family,
            credential=device.credential or inherited.credential,
            port=port_of(device, inherited.port),
            settings=inherited.settings,
        )

    def _inherit(self, group: str | None) -> Resolved:
        """What a device without anything of its own gets; a fleet has many devices and few groups."""
        key = group or ""
        if key not in self._inherited:
            bare = DeviceRecord(name="", address="", file="", line=0, group=group)
            self._inherited[key] = resolve(bare, self.groups)
        return self._inherited[key]


def read_groups(stored: Iterable[Group], given: Iterable[Group], known: Known, problems: Problems) -> GroupBook:
    """Check the document's groups and lay them over the stored ones."""
    groups = {group.name: group for group in stored}
    changed: dict[str, Group] = {}
    places: dict[str, tuple[str | None, int | None]] = {}
    for group in given:
        place = (group.file, group.line) if isinstance(group, PlacedGroup) else (None, None)
        if group.name in places:
            problems.add(f"group {group.name!r} is listed twice; keep one", file=place[0], line=place[1])
            continue
        places[group.name] = place
        checked = check_group(group, known, problems)
        if checked is not None and groups.get(checked.name) != checked:
            changed[checked.name] = checked
    groups |= changed
    affected = with_descendants(changed, groups.values())
    broken = _check_chains(affected, groups, places, problems)
    return GroupBook(groups, tuple(changed.values()), affected, broken)


def check_group(group: Group, known: Known, problems: Problems) -> Group | None:
    """The group in canonical form, or None after its problems were noted."""
    file, line = (group.file, group.line) if isinstance(group, PlacedGroup) else (None, None)
    before, what = len(problems.found), f"group {group.name!r}"
    problems.attempt(rules.device_name, group.name, what=f"{what}: name", file=file, line=line)
    if group.family:
        problems.attempt(known.family, group.family, what=f"{what}: family", file=file, line=line)
    if group.credential:
        problems.attempt(known.credential, group.credential, what=f"{what}: credential", file=file, line=line)
    if group.port:
        problems.attempt(rules.port, group.port, what=f"{what}: port", file=file, line=line)
    settings = rules.settings(
        group.settings, lambda reason: problems.add(f"{what}: {reason}", file=file, line=line), of="group"
    )
    if len(problems.found) > before:
        return None
    parent, family, credential = group.parent or None, group.family or None, group.credential or None
    given = {name: value for name, value in settings.items() if value is not None}
    return Group(group.name, parent, family, credential, group.port or None, given)


def _check_chains(
    names: Iterable[str],
    groups: Mapping[str, Group],
    places: Mapping[str, tuple[str | None, int | None]],
    problems: Problems,
) -> frozenset[str]:
    broken: set[str] = set()
    for name in sorted(names):
        try:
            group_chain(name, groups)
        except InputError as error:
            broken.add(name)
            if name in places:
                file, line = places[name]
                problems.add(f"group {name!r}: {error.reason}", file=file, line=line)
    return frozenset(broken)
