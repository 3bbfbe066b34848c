"""Every family's box is told from all others by what it shows and answers, and nothing else is taken for it."""

from __future__ import annotations

import asyncio

import pytest

from cpe_manager.adapters.ssh.limits import SshLimits
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.errors import AuthFailed, DeviceError
from cpe_manager.domain.fleet.inventory import Group
from cpe_manager.domain.fleet.recognition import Evidence, recognise
from cpe_manager.ports.shell import Credential
from cpe_manager.ports.stores import InventoryChanges
from cpe_manager.services.fleet.detection import Asked, Detection, Detector
from drivers.roster import DriverRoster
from simulators.device import Device
from simulators.faults.roster import FaultCase, fault_roster
from simulators.fleet import Fleet
from simulators.snmp import families as snmp_faces
from simulators.state import utc_now
from tests.contract.drivers.harness import WallClock, credential_of, nothing_left_open, specs_of
from tests.contract.drivers.roster import ROSTER, DriverCase
from tests.fakes.credentials import FixedCredentials
from tests.fakes.inventory_store import MemoryInventoryStore

every_case = pytest.mark.parametrize("case", ROSTER, ids=str)
FAMILIES = DriverRoster().families()
MARKS = {family: DriverRoster().get(family).spec.recognition for family in FAMILIES}
# What changes a box. No question of a detection may begin like one of these.
CHANGING = (
    "configure",
    "conf t",
    "set ",
    "delete",
    "commit",
    "uci set",
    "uci commit",
    "write",
    "copy",
    "reload",
    "rm ",
)


def detector_for(fleet: Fleet, drivers: DriverRoster, store: MemoryInventoryStore | None = None) -> Detector:
    credentials = FixedCredentials({device.name: credential_of(device) for device in fleet.devices})
    sessions = SshSessions(credentials, WallClock(), SshLimits(handshakes_per_second=0))
    return Detector(sessions, store or MemoryInventoryStore(), drivers, credentials)


async def detection_of(fleet: Fleet, device: Device) -> Detection:
    return await detector_for(fleet, DriverRoster()).detect(Asked(device.address, device.port, device.name), by="test")


@every_case
async def test_a_box_is_detected_as_its_own_family_and_as_no_other(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-0815"], seed=40)) as fleet:
        device = fleet.devices[0]
        found = await detection_of(fleet, device)
        assert found.verdict.family == case.family, found.verdict
        rest = {name: marks for name, marks in MARKS.items() if name != case.family}
        assert recognise(rest, found.evidence).family in {None, *MARKS[case.family].made_from}, "shown by itself"
        assert found.facts is not None
        assert found.facts.hostname == "SITE-0815"
        assert found.facts.os_release
        assert found.host_key == device.host_key_public
        await nothing_left_open(fleet)


@every_case
async def test_a_detection_logs_in_once_and_changes_nothing(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        before = device.state.running, device.state.startup
        await detection_of(fleet, device)
        assert (device.stats.connections, device.stats.passwords_accepted, device.stats.passwords_refused) == (1, 1, 0)
        assert (device.state.running, device.state.startup) == before
        assert [command for command in device.stats.commands if command.startswith(CHANGING)] == []


@every_case
async def test_a_box_is_not_detected_when_its_own_driver_is_missing(case: DriverCase) -> None:
    """Nobody guesses the next best family; only one that the missing one is made from may speak up."""

    class Others(DriverRoster):
        def families(self) -> tuple[str, ...]:
            return tuple(family for family in super().families() if family != case.family)

    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        found = await detector_for(fleet, Others()).detect(Asked(device.address, device.port, device.name), by="test")
        assert found.verdict.family in {None, *MARKS[case.family].made_from}, found.verdict
        assert found.verdict.why


@pytest.mark.parametrize("family", FAMILIES)
def test_an_snmp_agent_gives_away_its_own_family_or_none(family: str) -> None:
    face = snmp_faces.persona_of(family)
    number = ".".join(str(arc) for arc in face.object_id)
    evidence = Evidence(sys_object_id=number, sys_descr=face.descr.format(name="SITE-1"))
    verdict = recognise(MARKS, evidence)
    assert verdict.family == (None if face is snmp_faces.DEFAULT else family), verdict


@pytest.mark.parametrize("family", FAMILIES)
def test_the_name_of_an_ssh_server_never_decides(family: str) -> None:
    for version in ("SSH-2.0-dropbear", "SSH-2.0-OpenSSH_9.2p1", "SSH-2.0-Cisco-1.25", "SSH-2.0-ROSSSH"):
        assert recognise({family: MARKS[family]}, Evidence(ssh_version=version)).family is None


async def test_a_wrong_password_is_offered_once_and_nothing_is_asked() -> None:
    case = ROSTER[0]
    async with Fleet(specs_of(case, ["SITE-1"])) as fleet:
        device = fleet.devices[0]
        wrong = FixedCredentials({"SITE-1": Credential(device.spec.username, "not-the-password")})
        detector = Detector(SshSessions(wrong, WallClock()), MemoryInventoryStore(), DriverRoster(), wrong)
        with pytest.raises(AuthFailed):
            await detector.detect(Asked(device.address, device.port, "SITE-1"), by="test")
        assert (device.stats.passwords_accepted, device.stats.passwords_refused) == (0, 1)
        assert not device.stats.commands


@every_case
async def test_whatever_goes_wrong_a_box_is_never_taken_for_one_of_another_family(case: DriverCase) -> None:
    """Its own family, none, or one of our errors; and a benign fault does not even make it unsure."""
    trials = {f"SITE-{number:04d}": fault for number, fault in enumerate(fault_roster())}
    async with Fleet(specs_of(case, trials)) as fleet:
        store = MemoryInventoryStore()
        await store.apply(InventoryChanges(at=utc_now(), groups=(Group("hasty", settings={"connect_timeout": 3.0}),)))
        detector = detector_for(fleet, DriverRoster(), store)

        async def one(name: str, fault: FaultCase) -> str | None:
            device = fleet.device(name)
            device.set_fault(fault.fault)
            try:
                found = await detector.detect(Asked(device.address, device.port, name, "hasty"), by="test")
            except DeviceError as error:
                return None if not fault.benign else f"{error.code}: {error}"
            return found.verdict.family

        found = await asyncio.gather(*(one(name, fault) for name, fault in trials.items()))
        seen = dict(zip((fault.id for fault in trials.values()), found, strict=True))
        assert {name: family for name, family in seen.items() if family not in {case.family, None}} == {}
        unsure = [fault.id for fault in trials.values() if fault.benign and seen[fault.id] is None]
        assert unsure == []
        await nothing_left_open(fleet)
