"""The backup file that a box with UCI makes itself: the whole of it over a session, or an error; never a part."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from cpe_manager.domain.errors import CommandRefused, DeviceError, FetchIncomplete
from cpe_manager.ports.driver_reading import Archiving, Artefact
from cpe_manager.ports.shell import ExecResult
from drivers import openwrt, teltonika
from simulators.device import Device
from simulators.fleet import Fleet
from tests.contract.drivers.harness import Trial, nothing_left_open, sessions_for, specs_of, target_of
from tests.contract.drivers.roster import DriverCase
from tests.contract.drivers.test_faults import rostered, scattered
from tests.fakes.shell import ScriptedShell

DRIVERS: Mapping[str, Archiving] = {"openwrt": openwrt.DRIVER, "teltonika": teltonika.DRIVER}
CASES = (
    DriverCase("openwrt"),
    DriverCase("openwrt", box={"base64": "yes"}),
    DriverCase("teltonika"),
)
every_case = pytest.mark.parametrize("case", CASES, ids=str)


async def archived(device: Device, case: DriverCase, patience: float = 20.0) -> Artefact:
    async with sessions_for([device]).open(target_of(device, case, patience)) as opened:
        return await DRIVERS[case.family].archive(opened.shell)


def files_in(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive.getmembers()]
        return {name: file.read().decode() for name, file in members if file is not None}


def configuration_in(content: bytes) -> str:
    """The packages of a backup file, as the box would export them."""
    files = files_in(content)
    names = [name.removeprefix("etc/config/") for name in files if name.startswith("etc/config/")]
    return "".join(f"package {name}\n{files[f'etc/config/{name}']}" for name in names)


@every_case
async def test_the_backup_file_is_what_the_box_would_keep_over_an_upgrade(case: DriverCase) -> None:
    async with Fleet(specs_of(case, ["SITE-1"], seed=5)) as fleet:
        device = fleet.devices[0]
        made = await archived(device, case)
        assert made.name == f"{case.family}-sysupgrade.tar.gz"
        assert made.media_type == "application/gzip"
        assert made.sha256 == hashlib.sha256(made.content).hexdigest()
        assert configuration_in(made.content) == device.running_text()
        assert "root:$6$" in files_in(made.content)["etc/shadow"]
        assert str(made.content) not in repr(made)
        assert not device.state.scratch, "nothing is left on the box"
        await nothing_left_open(fleet)


@every_case
async def test_a_large_backup_file_comes_whole(case: DriverCase) -> None:
    spec = specs_of(case, ["BIG-1"])[0]
    async with Fleet([type(spec)(spec.name, spec.family, seed=3, options=spec.options, config_bytes=400_000)]) as fleet:
        made = await archived(fleet.devices[0], case)
        assert len(configuration_in(made.content)) > 390_000


@dataclass
class _Seen:
    wrong: dict[str, str] = field(default_factory=dict)
    whole: int = 0
    refused: int = 0


@every_case
@pytest.mark.parametrize("kind", ["rostered", "scattered"])
async def test_no_fault_makes_a_part_of_a_backup_file_an_artefact(case: DriverCase, kind: str) -> None:
    trials = list(rostered() if kind == "rostered" else scattered(seed=len(str(case))))
    by_name = {f"SITE-{index:04d}": trial for index, trial in enumerate(trials)}
    seen = _Seen()
    gate = asyncio.Semaphore(20)

    async def one(device: Device, trial: Trial) -> None:
        if trial.fault is not None:
            device.set_fault(trial.fault)
        try:
            async with gate:
                made = await archived(device, case, trial.patience)
        except DeviceError as error:
            seen.refused += 1
            if trial.fault is not None and trial.fault.benign:
                seen.wrong[trial.id] = f"gave up: {error}"
            return
        seen.whole += 1
        if configuration_in(made.content) != device.running_text():
            seen.wrong[trial.id] = "believed what is not the box's backup file"

    async with Fleet(specs_of(case, by_name)) as fleet:
        await asyncio.gather(*(one(fleet.device(name), trial) for name, trial in by_name.items()))
        await nothing_left_open(fleet)
    assert seen.wrong == {}
    assert seen.whole
    assert seen.refused


def packed(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def answer(content: bytes, *, of: bytes | None = None, status: int = 0, body: str | None = None) -> ExecResult:
    digest = hashlib.sha256(content if of is None else of).hexdigest()
    text = base64.encodebytes(content).decode() if body is None else body
    return ExecResult(f"{digest}  /var/run/cpe-manager.tgz\n{text}cpe-manager {status}\n", "", 0)


WHOLE = packed({"etc/config/network": "config interface 'lan'\n", "etc/shadow": "root:x:0:0:99999:7:::\n"})


async def from_answer(result: ExecResult) -> Artefact:
    return await openwrt.DRIVER.archive(ScriptedShell(commands={"*": [result]}))


async def test_both_spellings_are_read() -> None:
    assert (await from_answer(answer(WHOLE))).content == WHOLE
    assert (await from_answer(answer(WHOLE, body=WHOLE.hex() + "\n"))).content == WHOLE
    assert (await from_answer(answer(WHOLE, body=WHOLE.hex()))).content == WHOLE


@pytest.mark.parametrize(
    "result",
    [
        answer(WHOLE[:-1], of=WHOLE),
        answer(WHOLE, of=WHOLE + b"x"),
        answer(WHOLE, body=base64.b64encode(WHOLE).decode().replace("A", "*", 1) + "\n"),
        answer(WHOLE, body=WHOLE.hex()[:-1] + "\n"),
        # The box's own file is damaged: its checksum holds, and yet it is no backup.
        answer(WHOLE[: len(WHOLE) // 2]),
        answer(WHOLE[:-8]),
        answer(gzip.compress(b"no tar at all")),
        answer(packed({"etc/shadow": "root:x:0:0:99999:7:::\n"})),
        answer(packed({})),
        answer(b""),
        answer(b"not compressed"),
        ExecResult(answer(WHOLE).stdout.replace("cpe-manager 0\n", ""), "", 0),
        ExecResult(answer(WHOLE).stdout.replace("cpe-manager 0\n", "cpe-manager \n"), "", 0),
        ExecResult("", "", 0),
    ],
)
async def test_what_is_no_whole_backup_file_is_refused(result: ExecResult) -> None:
    with pytest.raises((FetchIncomplete, CommandRefused)):
        await from_answer(result)


async def test_a_box_without_sysupgrade_says_so_in_its_own_words() -> None:
    missing = ExecResult("cpe-manager 127\n", "ash: sysupgrade: not found\nhexdump: no such file\n", 0)
    with pytest.raises(CommandRefused, match="ash: sysupgrade: not found"):
        await from_answer(missing)
