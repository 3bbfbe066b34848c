"""What tests tell the product about a box."""

from __future__ import annotations

from cpe_manager.ports.snmp import Sender, SnmpAccess, SnmpTarget
from simulators.device import Device
from simulators.snmp.access import login_of

SYS_NAME, SYS_UPTIME = "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.3.0"
IF_DESCR, IF_ADMIN, IF_OPER = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.7", "1.3.6.1.2.1.2.2.1.8"


def by_community(box: Device) -> SnmpAccess:
    return SnmpAccess(community=box.spec.secrets.snmp)


def by_user(box: Device, **other: str) -> SnmpAccess:
    login = login_of(box.spec)
    known = {
        "user": login.user,
        "auth_password": login.auth_password,
        "auth_protocol": login.auth_protocol,
        "priv_password": login.priv_password,
    }
    return SnmpAccess(**{**known, **other})


def target(box: Device, access: SnmpAccess, *, timeout: float = 5.0, retries: int = 1) -> SnmpTarget:
    return SnmpTarget(box.name, box.address, access, box.snmp.port, timeout, retries)


def sender(box: Device, access: SnmpAccess) -> Sender:
    return Sender(f"id of {box.name}", box.name, access)
