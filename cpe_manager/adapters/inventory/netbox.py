"""NetBox: the JSON of ``/api/dcim/devices/``, one page or several joined, or a plain list of devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cpe_manager.adapters.inventory.families import family_of
from cpe_manager.adapters.inventory.json_text import PlacedValue, read_json_list
from cpe_manager.adapters.inventory.rows import Place, RowReader, is_on
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_rules import Problems
from cpe_manager.domain.fleet.inventory import DeviceRecord, InventoryDocument, LifeState
from cpe_manager.ports.inventory_source import SourceOptions

CUSTOM: Final = ("port", "group", "credential", "line", "line_kind", "access_node")
ACTIVE: Final = "active"
KNOWN_STATUSES: Final = frozenset({ACTIVE, "offline", "planned", "staged", "failed", "inventory", "decommissioning"})
GROUP_FROM: Final = ("role", "tenant", "site", "platform", "tag")
SITE_FROM: Final = ("site", "tenant")


class NetBoxSource:
    """Options: ``group_from`` (role, tenant, site, platform or tag, when no custom field ``group`` is set),
    ``site_from`` (site or tenant), ``skip_incomplete`` (leave out devices without name or address), ``partial``
    (accept a page that says there are more).
    """

    name = "netbox"
    option_names = frozenset({"group_from", "site_from", "skip_incomplete", "partial"})
    reads_together = False

    def parse(self, text: str, *, file: str, options: SourceOptions) -> InventoryDocument:
        _check_options(options.values)
        envelope, items = read_json_list(text.removeprefix("\ufeff"), file=file, key="results")
        if envelope.get("next") and not is_on(options.values, "partial"):
            reason = "this is one page of several; ask NetBox for all (limit=0), or set option partial=yes"
            raise InputError(reason, file=file, line=1)
        problems, warnings = Problems(), list[str]()
        rows = RowReader(problems)
        devices: list[DeviceRecord | None] = []
        for item in items:
            place = Place(file, item.line)
            if not isinstance(item.value, dict):
                problems.add("is not a device object", file=file, line=item.line)
            elif not _skipped(item, place, options.values, warnings):
                devices.append(rows.read(_fields(item.value, place, options.values, warnings), place))
        problems.raise_if_any()
        return InventoryDocument(tuple(d for d in devices if d is not None), warnings=tuple(warnings))


def _check_options(values: Mapping[str, str]) -> None:
    for option, allowed in (("group_from", GROUP_FROM), ("site_from", SITE_FROM)):
        if values.get(option, allowed[0]) not in allowed:
            raise InputError(f"option {option}={values[option]!r} is unknown; use one of {', '.join(allowed)}")


def _skipped(item: PlacedValue, place: Place, values: Mapping[str, str], warnings: list[str]) -> bool:
    if not is_on(values, "skip_incomplete") or (item.value.get("name") and _address(item.value)):
        return False
    named = item.value.get("name") or f"id {item.value.get('id')}"
    warnings.append(f"{place.file}:{place.line}: device {named} has no name or no primary address and is left out")
    return True


def _fields(
    device: Mapping[str, Any], place: Place, values: Mapping[str, str], warnings: list[str]
) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": device.get("name"),
        "address": _address(device),
        "site": _words(device.get(values.get("site_from", "site")), "name", "slug"),
        "state": _state(device, place, warnings),
    }
    if "platform" in device:
        fields["family"] = family_of(_words(device["platform"], "slug", "name"))
    if device.get("serial"):
        fields["serial"] = device["serial"]
    if model := _words(device.get("device_type"), "model", "display"):
        fields["model"] = model
    custom = device.get("custom_fields")
    if isinstance(custom, dict):
        fields |= {key: _choice(custom[key]) for key in CUSTOM if key in custom}
    if not fields.get("group") and "group_from" in values:
        fields["group"] = _group(device, values["group_from"])
    return fields


def _words(value: Any, *keys: str) -> str:
    """The first of the keys that an embedded object fills; a bare text is taken as it is."""
    if isinstance(value, dict):
        return next((str(value[key]) for key in keys if value.get(key)), "")
    return value if isinstance(value, str) else ""


def _choice(value: Any) -> Any:
    """A select field came as ``{"value": ..., "label": ...}`` in some releases."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _address(device: Mapping[str, Any]) -> str:
    """IPv4 first: the management network of a CPE is reached by it when a device has both."""
    for key in ("primary_ip4", "primary_ip", "primary_ip6"):
        if found := _words(device.get(key), "address"):
            return found.partition("/")[0]
    return ""


def _state(device: Mapping[str, Any], place: Place, warnings: list[str]) -> LifeState:
    status = _words(device.get("status"), "value") or ACTIVE
    if status not in KNOWN_STATUSES:
        warnings.append(f"{place.file}:{place.line}: status {status!r} is not a known one and is read as suspended")
    return LifeState.ACTIVE if status == ACTIVE else LifeState.SUSPENDED


def _group(device: Mapping[str, Any], source: str) -> str:
    if source == "tag":
        tags = device.get("tags")
        return _words(tags[0], "slug", "name") if isinstance(tags, list) and tags else ""
    # Releases before 3.6 call the role device_role.
    return _words(device.get(source) or (device.get("device_role") if source == "role" else None), "slug", "name")
