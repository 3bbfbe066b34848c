"""A backup is brought back onto a fresh box of its family, in a process of its own, and what comes of it is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.domain.backup.drills import DrillResult, Verdict
from cpe_manager.domain.jobs import JobKind, JobState
from cpe_manager.ports.shell import Shell
from cpe_manager.services.backup.drilling import NO_STAND
from cpe_manager.services.backup.drills import BELOW_TARGET, DrillAsked
from drivers.cisco_ios import CiscoIos
from simulators.device import Device as Box
from simulators.spec import DeviceSpec
from tests.contract.drivers.harness import shown as fetched
from tests.fakes.drivers import FixedDrivers
from tests.integration.drills.bench import DRIVERS, FAMILIES, SIM, bench, shown

SECRETS = ("login-secret-1", "enable-secret-2")


def without_a_block(text: str, family: str) -> str:
    """The text as it might have been sealed by a defect: complete by all its marks, a part in its middle is gone."""
    blocks = {
        "openwrt": ("config dhcp 'lan'", "\nconfig "),
        "teltonika": ("config dhcp 'lan'", "\nconfig "),
        "vyos": ("set interfaces ethernet eth1 description", "\n"),
        "frr_linux": ("interface ", "\ninterface "),
        "cisco_ios": ("ip dhcp pool", "\n!"),
        "routeros": ("/ip dns", "\n/"),
    }
    start, end = blocks[family]
    begin = text.index(start)
    return text[:begin] + text[text.index(end, begin) + 1 :]


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_backup_that_restores_is_proven(family: str, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url) as b:
        device = await b.device("cpe-0001", family)
        version = await b.backup(device, shown(family, "cpe-0001", seed=11))
        job = await b.drill()
        result = await b.result(version)
        assert (result.verdict, result.reason) == (Verdict.PROVEN, "")
        assert (job.state, job.result["drilled"], job.result["proven"]) == (JobState.DONE, 1, 1)
        assert await b.alarms() == {}


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_sealed_text_that_lost_a_part_is_found_out(family: str, tmp_path: Path, sqlite_url: str) -> None:
    """It opens and is authentic; only bringing it back shows that it is not what the device ran."""
    async with bench(tmp_path, sqlite_url) as b:
        device = await b.device("cpe-0001", family)
        text = shown(family, "cpe-0001", seed=11)
        sealed = b.vault.examine(text, DRIVERS.get(family).spec, SECRETS).text
        version = await b.backup(device, text, sealed=without_a_block(sealed, family))
        job = await b.drill(device)
        result = await b.result(version)
        assert result.verdict is Verdict.DIFFERS, result.reason
        assert result.lines > 0
        assert f"the box has not: {result.lines}" in result.reason
        assert (job.state, job.result["differs"]) == (JobState.FAILED, 1)
        assert "1 of 1 backups were not brought back, first: cpe-0001:" in (job.error or "")
        (event,) = [one for one in await b.database.events.after(0) if one.kind == "drill.failed"]
        assert (event.device, event.severity) == ("cpe-0001", "error")
        assert BELOW_TARGET in await b.alarms()


async def test_what_differs_is_told_without_secrets(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url) as b:
        device = await b.device("cpe-0001", "openwrt")
        text = shown("openwrt", "cpe-0001", seed=11)
        sealed = b.vault.examine(text, DRIVERS.get("openwrt").spec, SECRETS).text
        (key,) = {line.split("'")[1] for line in text.splitlines() if line.strip().startswith("option key ")}
        version = await b.backup(device, text, sealed=sealed.replace(key, "another-wifi-key"))
        job = await b.drill()
        result = await b.result(version)
        assert result.verdict is Verdict.DIFFERS
        assert "wifi key #" in result.reason
        for told in (result.reason, str(job.result), job.error or ""):
            assert key not in told
            assert "another-wifi-key" not in told


async def test_a_box_that_reads_back_something_else_is_found_out(tmp_path: Path, sqlite_url: str) -> None:
    """A text that looks whole, with its end mark, is not believed: the box has a checksum of what it really runs."""
    async with bench(tmp_path, sqlite_url, command=f"{SIM} box --fault shrunk") as b:
        device = await b.device("cpe-0001", "openwrt")
        version = await b.backup(device, shown("openwrt", "cpe-0001", seed=11))
        await b.drill()
        result = await b.result(version)
        assert (result.verdict, result.reason) == (
            Verdict.FAILED,
            "bringing the text back: the checksum is not the one that the device computed",
        )


class NeverSaves(CiscoIos):
    """A driver with the defect that a restore is gone after the next power cut."""

    async def save(self, shell: Shell) -> None:
        del shell


async def test_what_was_brought_back_and_not_kept_is_found_out(tmp_path: Path, sqlite_url: str) -> None:
    drivers = FixedDrivers(NeverSaves())
    async with bench(tmp_path, sqlite_url, drivers=drivers) as b:
        device = await b.device("cpe-0001", "cisco_ios")
        version = await b.backup(device, shown("cisco_ios", "cpe-0001", seed=11))
        await b.drill()
        result = await b.result(version)
        assert result.verdict is Verdict.DIFFERS
        assert "hostname" in result.reason or result.lines > 10, "the box came up as it was delivered"


async def test_a_seal_that_does_not_open_and_a_box_that_refuses_are_failures_with_their_reason(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(tmp_path, sqlite_url, command=f"{SIM} box --fault auth_failure") as b:
        one, two = await b.device("cpe-0001", "openwrt"), await b.device("cpe-0002", "openwrt", site="s2")
        text = shown("openwrt", "cpe-0001", seed=11)
        broken, refused = await b.backup(one, text), await b.backup(two, text)
        sealed = await b.database.backups.sealed(broken)
        key_id, _ = b.vault.rewrap(sealed)
        await b.database.backups.rewrap([(sealed.id, key_id, bytes(len(sealed.wrapped_key)))])
        job = await b.drill()
        assert (job.state, job.result["failed"]) == (JobState.FAILED, 2)
        assert (await b.result(broken)).reason.startswith("opening the original: ")
        assert (await b.result(refused)).reason.startswith("bringing the text back: ")


async def test_what_cannot_be_brought_back_is_neither_proven_nor_failed(tmp_path: Path, sqlite_url: str) -> None:
    """FRR read by an account without a root shell: its text is a part of the box, and no box can be made of it."""
    async with bench(tmp_path, sqlite_url) as b:
        device = await b.device("cpe-0001", "frr_linux")
        part = fetched(Box(DeviceSpec("cpe-0001", "frr_linux", 3)))
        version = await b.backup(device, part)
        job = await b.drill()
        result = await b.result(version)
        assert (result.verdict, job.state) == (Verdict.NOT_POSSIBLE, JobState.DONE)
        assert "not of a whole box" in result.reason
        report = await b.room.service.report(b.clock.now())
        assert (report.standing.share, report.failures) == (None, ())
        assert await b.alarms() == {}


async def test_the_share_is_a_metric_and_the_alarm_goes_when_the_target_is_met(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url) as b:
        good, bad = await b.device("cpe-0001", "openwrt"), await b.device("cpe-0002", "openwrt", site="s2")
        await b.device("cpe-0003", "openwrt", site="s3")
        text = shown("openwrt", "cpe-0001", seed=11)
        sealed = b.vault.examine(text, DRIVERS.get("openwrt").spec, SECRETS).text
        await b.backup(good, text)
        await b.backup(bad, text, sealed=without_a_block(sealed, "openwrt"))
        await b.drill()
        assert (await b.alarms())[BELOW_TARGET].startswith("1 of 2 devices have a proven backup (50%, target 90%)")
        shares = b.metrics.render().decode()
        assert "cpe_backup_restorable_ratio 0.5" in shares
        assert 'cpe_backup_restorable_devices{family="openwrt",verdict="differs"} 1.0' in shares
        assert 'cpe_drills_total{family="openwrt",verdict="proven"} 1.0' in shares
        report = await b.room.service.report(b.clock.now())
        assert [(one.device, one.result.verdict) for one in report.failures] == [("cpe-0002", Verdict.DIFFERS)]
        await b.backup(bad, shown("openwrt", "cpe-0002", seed=12))  # the next night's version is sound, and unproven
        assert (await b.room.service.report(b.clock.now())).failures == ()
        await b.drill(bad)
        assert await b.alarms() == {}
        kinds = [one.kind for one in await b.database.events.after(0) if one.kind.startswith("alarm.")]
        assert kinds == ["alarm.raised", "alarm.cleared"]


async def test_without_boxes_a_night_ends_with_an_alarm_and_a_person_is_told(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url, command="no-such-program-anywhere") as b:
        device = await b.device("cpe-0001", "openwrt")
        await b.backup(device, shown("openwrt", "cpe-0001", seed=11))
        for number in range(2):
            night = await b.jobs.start(JobKind.DRILL, {}, by=None, trigger="after:x", occurrence=f"drill:{number}")
            assert night is not None
            assert (await b.work(night)).state is JobState.DONE
        assert "not installed" in (await b.alarms())[NO_STAND]
        assert [one.kind for one in await b.database.events.after(0)].count("alarm.raised") == 1
        asked = await b.drill(device)
        assert (asked.state, asked.result["drilled"]) == (JobState.FAILED, 0)
        assert "not installed" in (asked.error or "")
    async with bench(tmp_path / "later", sqlite_url) as b:
        await b.drill()
        assert NO_STAND not in await b.alarms()


async def test_a_job_that_was_taken_over_goes_on_where_it_stood(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(tmp_path, sqlite_url, sample=2) as b:
        for number in range(4):
            device = await b.device(f"cpe-{number}", "openwrt", site=f"s{number}")
            await b.backup(device, shown("openwrt", f"cpe-{number}", seed=number))
        service = b.room.service
        job = await service.start(DrillAsked(key="k1"), by="op")
        assert (await service.start(DrillAsked(key="k1"), by="op")).id == job.id
        first = (await b.database.drills.candidates())[3]
        done = DrillResult(first.backup_id, first.device_id, Verdict.PROVEN, b.clock.now(), 1.0, job_id=job.id)
        await b.database.drills.record(done)
        ended = await b.work(job)
        assert (ended.result["drilled"], ended.result["proven"]) == (2, 2)
        assert await b.result(first.backup_id) == done, "it was not drilled again"
        again = await b.drill()
        assert again.result["drilled"] == 2
        never = [one for one in await b.database.drills.candidates() if one.verdict is None]
        assert never == [], "two nights of two reach four devices"
