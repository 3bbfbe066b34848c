"""From a device and what is in force for it to what a session is opened with."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.fleet.settings_inheritance import Resolved
from cpe_manager.domain.push.lockout import ManagementPath
from cpe_manager.ports.shell import Target
from cpe_manager.ports.snmp import SnmpAccess, SnmpTarget


def known(what: str, value: str | None) -> str:
    """The value. Raises ``InputError`` when nothing in the chain of groups gives one."""
    if not value:
        raise InputError(f"no {what} is set, neither on the device nor on its group")
    return value


def target_of(device: Device, resolved: Resolved, pinned_keys: Sequence[str]) -> Target:
    """Everything that opening a session takes. Raises ``InputError`` without family or credential."""
    settings = resolved.settings
    return Target(
        device_id=device.id,
        name=device.name,
        host=device.address,
        port=resolved.port,
        family=known("family", resolved.family),
        credential_ref=known("credential", resolved.credential),
        pinned_keys=tuple(pinned_keys),
        connect_timeout=settings.connect_timeout,
        command_timeout=settings.command_timeout,
        session_timeout=settings.session_timeout,
        options=settings.options,
        legacy_crypto=settings.legacy_crypto,
        transport=settings.transport,
        telnet_allowed=settings.allow_telnet,
    )


def snmp_target_of(device: Device, resolved: Resolved, access: SnmpAccess) -> SnmpTarget:
    """Where and how a device's SNMP agent is asked."""
    settings = resolved.settings
    return SnmpTarget(device.name, device.address, access, int(settings.snmp_port), settings.snmp_timeout)


def path_of(target: Target, manager: str) -> ManagementPath:
    """How a device is managed, as far as it is known."""
    return ManagementPath(address_of(target.host), address_of(manager), target.transport, target.port)


def address_of(text: str) -> IPv4Address | None:
    """None for a name, or an address outside IPv4."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
