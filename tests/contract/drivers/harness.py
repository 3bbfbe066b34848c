"""Runs real drivers over the real SSH adapter against virtual CPEs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import psutil

from cpe_manager.adapters.netmiko.platforms import platform_names
from cpe_manager.adapters.netmiko.sessions import NetmikoSessions
from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.adapters.telnet.sessions import TelnetSessions
from cpe_manager.adapters.transports import Transports
from cpe_manager.domain.errors import DeviceError
from cpe_manager.kit.redaction import REMOVED, canonical
from cpe_manager.ports.driver import Capture, Facts
from cpe_manager.ports.sessions import Sessions
from cpe_manager.ports.shell import Credential, Target
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.faults.kinds import Fault
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec
from tests.contract.drivers.roster import DriverCase
from tests.fakes.credentials import FixedCredentials

DRIVERS = DriverRoster(platform_names())
_WRAPPING = ("Building configuration...", "Current configuration")


class WallClock:
    """``ports.clock.Clock``, as far as sessions need it."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Trial:
    """One device, what is wrong with it, and how long a command may take (seconds)."""

    id: str
    fault: Fault | None = None
    patience: float = 45.0


def credential_of(device: Device) -> Credential:
    secrets = device.spec.secrets
    return Credential(device.spec.username, secrets.login, secrets.enable)


def target_of(device: Device, case: DriverCase, patience: float = 20.0) -> Target:
    return Target(
        device_id=device.name,
        name=device.name,
        host=device.address,
        port=device.telnet_port if case.transport == "telnet" else device.port,
        family=case.family,
        credential_ref=device.name,
        pinned_keys=() if case.transport == "telnet" else (device.host_key_public,),
        connect_timeout=patience,
        command_timeout=patience,
        session_timeout=60.0,
        options=case.device,
        transport=case.transport,
        telnet_allowed=case.transport == "telnet",
    )


def ssh_sessions_for(devices: Iterable[Device], limits: SshLimits | None = None) -> SshSessions:
    credentials = FixedCredentials({device.name: credential_of(device) for device in devices})
    return SshSessions(credentials, WallClock(), limits or SshLimits(handshakes_per_second=0))


def sessions_for(devices: Iterable[Device], limits: SshLimits | None = None) -> Transports:
    """Real sessions of every kind, joined as bootstrap joins them."""
    devices = tuple(devices)
    credentials = FixedCredentials({device.name: credential_of(device) for device in devices})
    ssh, telnet = ssh_sessions_for(devices, limits), TelnetSessions(credentials)
    return Transports({"ssh": ssh, "telnet": telnet}, NetmikoSessions(credentials))


def significant(text: str, device: Device) -> str:
    """A configuration without what a command wraps around it, what changes by itself, and the log-in passwords."""
    text = canonical(text, DRIVERS.get(device.spec.family).spec.volatile)
    for form in device.login_forms():
        text = text.replace(form, form.replace(form.split(" ")[-1], REMOVED))
    lines = [line for line in text.split("\n") if not line.startswith(_WRAPPING)]
    while lines and not lines[0]:
        del lines[0]
    return "\n".join(lines).rstrip("\n")


def shown(device: Device) -> str:
    """What a fetch of the box would give now, made without a session."""
    lines = [line for line in device.running_text().split("\n") if not line.startswith(_WRAPPING)]
    return "\n".join(lines).strip("\n") + "\n"


def specs_of(case: DriverCase, names: Iterable[str], seed: int = 1) -> list[DeviceSpec]:
    return [DeviceSpec(name, case.box_family, seed=seed + index, options=case.box) for index, name in enumerate(names)]


async def fetch(sessions: Sessions, target: Target) -> Capture:
    async with sessions.open(target) as opened:
        return await DRIVERS.get(target.family).fetch(opened.shell)


async def facts(sessions: Sessions, target: Target) -> Facts:
    async with sessions.open(target) as opened:
        return await DRIVERS.get(target.family).facts(opened.shell)


async def run_trials(fleet: Fleet, case: DriverCase, trials: dict[str, Trial]) -> dict[str, Capture | DeviceError]:
    """Back up all devices at once, by name. Anything but a capture or one of our errors fails the test."""
    sessions = sessions_for(fleet.devices)
    gate = asyncio.Semaphore(40)

    async def one(name: str, trial: Trial) -> Capture | DeviceError:
        device = fleet.device(name)
        async with gate:
            target = target_of(device, case, trial.patience)
            if trial.fault is not None:
                device.set_fault(trial.fault)
            try:
                return await fetch(sessions, replace(target, port=target_of(device, case).port))
            except DeviceError as error:
                return error

    results = await asyncio.gather(*(one(name, trial) for name, trial in trials.items()))
    return dict(zip(trials, results, strict=True))


async def nothing_left_open(fleet: Fleet, within: float = 5.0) -> None:
    """No session on the boxes, no socket between us and them; the last resets may need a moment to be seen."""
    deadline = time.monotonic() + within
    while left := _left_open(fleet):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.02)


def _left_open(fleet: Fleet) -> list[str]:
    ports = {port for device in fleet.devices for port in (device.port, device.telnet_port)}
    left = [f"{device.name}: session" for device in fleet.devices if device.stats.open_sessions]
    left += [f"{device.name}: connection" for device in fleet.devices if device.stats.open_connections]
    for connection in psutil.Process().net_connections(kind="tcp"):
        remote = connection.raddr
        if remote and remote.port in ports and connection.status == psutil.CONN_ESTABLISHED:
            left.append(f"socket to port {remote.port}")
    return left
