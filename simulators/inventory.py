"""Fleets by the dozen, and the files that tell a manager about them: inventory CSV and credentials TOML.

The inventory has the columns `site,name,address,port,family,group,credential,line,access_node`, and with SNMP
`settings.snmp_port`. The credentials file has a table for each name in the column `credential`: `username`,
`password`, `enable_password`.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.device import Device
from simulators.personas.registry import persona_for
from simulators.snmp.access import login_of
from simulators.spec import DeviceSpec

COLUMNS = ("site", "name", "address", "port", "family", "group", "credential", "line", "access_node")
# How many lines end on one access node.
LINES_PER_NODE = 10
_USERS = {"openwrt": "root"}


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """A fleet by numbers. Families take turns. With port 0 every box has a port of its own choosing on the base
    address; with any other port every box has an address of its own, counted up from the base."""

    count: int
    families: tuple[str, ...]
    seed: int = 0
    base: str = "127.1.0.1"
    port: int = 0
    config_bytes: int = 0
    beyond_loopback: bool = False
    """The addresses are of a network that is the fleet's own, as in a container."""


def specs_for(plan: FleetPlan) -> list[DeviceSpec]:
    """The boxes of a plan. Raises ValueError for an unknown family or addresses that leave 127.0.0.0/8
    and may not."""
    for family in plan.families:
        persona_for(family)
    if not plan.families or plan.count < 1:
        raise ValueError("a fleet needs at least one family and one box")
    first = ipaddress.IPv4Address(plan.base)
    last = first + (plan.count if plan.port else 1) - 1
    if not (plan.beyond_loopback or (first.is_loopback and last.is_loopback)):
        raise ValueError(f"{first} to {last} is not within 127.0.0.0/8")
    return [_spec(plan, index, str(first + index if plan.port else first)) for index in range(plan.count)]


def usual_user(family: str) -> str:
    """Who logs in on such a box. Raises ValueError for an unknown family."""
    persona_for(family)
    return _USERS.get(family, "backup")


def _spec(plan: FleetPlan, index: int, address: str) -> DeviceSpec:
    family = plan.families[index % len(plan.families)]
    return DeviceSpec(
        name=f"cpe-{index + 1:04d}",
        family=family,
        seed=plan.seed,
        username=usual_user(family),
        config_bytes=plan.config_bytes,
        address=address,
        port=plan.port,
    )


def write_inventory(path: Path, devices: Sequence[Device]) -> None:
    """Write the inventory of running boxes, their true ports in it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    snmp = any(device.snmp.port for device in devices)
    rows.writerow((*COLUMNS, "settings.snmp_port") if snmp else COLUMNS)
    for index, device in enumerate(devices):
        rows.writerow(
            (
                f"site-{index + 1:04d}",
                device.name,
                device.address,
                device.port,
                device.spec.family,
                device.spec.family,
                device.name,
                f"line-{index + 1:04d}",
                f"node-{index // LINES_PER_NODE + 1:03d}",
                *((device.snmp.port,) if snmp else ()),
            )
        )
    _replace(path, text.getvalue(), 0o644)


def write_credentials(path: Path, specs: Iterable[DeviceSpec], *, snmp: bool = False) -> None:
    """Write all logins, readable by the owner alone; with `snmp` the v2c community and the v3 user too."""
    tables = (
        f"[credentials.{_key(spec.name)}]\nusername = {_quoted(spec.username)}\n"
        f"password = {_quoted(spec.secrets.login)}\nenable_password = {_quoted(spec.secrets.enable)}\n"
        f"{_snmp_keys(spec) if snmp else ''}"
        for spec in specs
    )
    _replace(path, "\n".join(tables), 0o600)


def _snmp_keys(spec: DeviceSpec) -> str:
    login = login_of(spec)
    values = {
        "snmp_community": login.community,
        "snmp_user": login.user,
        "snmp_auth_password": login.auth_password,
        "snmp_auth_protocol": login.auth_protocol,
        "snmp_priv_password": login.priv_password,
    }
    return "".join(f"{name} = {_quoted(value)}\n" for name, value in values.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(c):04X}" if ord(c) < 0x20 else c for c in escaped) + '"'


def _replace(path: Path, text: str, mode: int) -> None:
    """Put a file in place at once: a reader sees all of it or the one before."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
        stream.write(text)
    part.replace(path)
