"""What others stumbled over when they pushed to routers, each tried on the virtual ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.errors import CommandRefused, InputError
from cpe_manager.domain.jobs import Outcome
from cpe_manager.ports.driver import Guard, Script
from simulators.dialects.ios_dialogue import LOCKED
from tests.contract.drivers.roster import DriverCase
from tests.integration.services.real_boxes import CASES, Bench, bench

pytestmark = pytest.mark.slow
IOS = next(case for case in CASES if case.family == "cisco_ios")
GUARD = Guard("5f0c2a71", 120)
CERTIFICATE = (
    "crypto pki trustpoint TP-self-signed-42\n enrollment selfsigned\n revocation-check none\n"
    "crypto pki certificate chain TP-self-signed-42\n certificate self-signed 01\n"
    "  30820330 30820218 A0030201 02020101\n"
    "  4F532D53 656C662D 5369676E 65642D43\n  quit\n"
)
BANNER = "banner exec ^\n~ @ # > % {tricky}\nSITE-1#\nSITE-1(config)#\n  | all & sundry = me + you\nend\n!\n^\n"


async def pushed(b: Bench, **asked: Any) -> Any:
    return await b.work(await b.ask(**asked))


async def test_a_replace_that_the_router_gave_up_is_not_believed_and_its_restart_stays_scheduled(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(IOS, tmp_path, sqlite_url, managed=False) as b:
        b.box.change("no archive")
        before = b.now()

        async def gives_up(driver: Any, shell: Any) -> None:
            await driver.arm(shell, GUARD)
            await driver.apply(shell, Script(("ip name-server 9.9.9.9",)), GUARD)
            (copy,) = [name for name in b.box.state.flash if GUARD.token in name]
            b.box.state.flash[copy] = b.box.state.flash[copy].replace("\nend", "\nfrobnicate 4711\nend")
            with pytest.raises(CommandRefused, match="Rollback aborted"):
                await driver.revert(shell, GUARD)
            assert await driver.armed(shell) == GUARD.token

        await b.once(gives_up)
        for _ in range(4):
            await b.passes(60)
        assert b.now() == before


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_no_command_never_reaches_a_device(case: DriverCase, tmp_path: Path, sqlite_url: str) -> None:
    async with bench(case, tmp_path, sqlite_url, managed=False) as b:
        for line in ("% Invalid input detected at '^' marker.", "set {{ x }}", "Rollback aborted after 5 passes"):
            with pytest.raises(InputError, match="line 2 is"):
                await b.pushes.plan(b.asked(lines=("ok", line)))
            with pytest.raises(InputError, match="line 2 is"):
                await b.ask(lines=("ok", line))
        with pytest.raises(InputError, match="a template left"):
            await b.ask(change={"hostname": "{{ name }}"})


async def test_configuration_mode_that_somebody_holds_is_refused_and_leaves_nothing(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(IOS, tmp_path, sqlite_url, managed=False) as b:
        before, files = b.now(), dict(b.box.state.flash)
        b.box.state.scratch[LOCKED] = "noc"
        settled = await pushed(b, change={"dns": ["9.9.9.9"]})
        assert settled.outcome is Outcome.REVERTED
        assert "locked exclusively" in (settled.error or "")
        assert (b.now(), b.box.state.flash) == (before, files)

        async def types(driver: Any, shell: Any) -> None:
            with pytest.raises(CommandRefused, match="locked exclusively"):
                await driver.apply(shell, Script(("reload",)))

        await b.once(types)
        assert b.now() == before
        del b.box.state.scratch[LOCKED]
        assert (await pushed(b, change={"dns": ["9.9.9.9"]})).outcome is Outcome.CONFIRMED


async def test_banners_with_odd_signs_and_certificates_survive_a_restore(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(IOS, tmp_path, sqlite_url, managed=False) as b:
        b.box.change(CERTIFICATE)
        b.box.change(BANNER)
        before = b.now()
        assert "SITE-1(config)#\n" in before
        assert "  4F532D53 656C662D 5369676E 65642D43\n  quit\n" in before
        assert (await pushed(b, change={"dns": ["9.9.9.9"]})).outcome is Outcome.CONFIRMED
        b.box.change("no banner exec\nno crypto pki certificate chain TP-self-signed-42\nbanner motd #\nanother one\n#")
        settled = await pushed(b, version=1)
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert b.now() == before


async def test_what_the_router_asks_before_it_takes_an_account_away_is_answered(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(IOS, tmp_path, sqlite_url, managed=False) as b:
        before = b.now()
        assert (await pushed(b, change={"dns": ["9.9.9.9"]})).outcome is Outcome.CONFIRMED
        b.box.change("username intruder privilege 15 secret 0 guess-me")
        assert (await pushed(b, version=1)).outcome is Outcome.CONFIRMED
        assert b.now() == before


@pytest.mark.parametrize("width", ["narrow", "stuck"])
async def test_long_lines_on_a_terminal_that_scrolls_are_understood(
    width: str, tmp_path: Path, sqlite_url: str
) -> None:
    async with bench(replace(IOS, box={"width": width}), tmp_path, sqlite_url, managed=False) as b:
        before = b.now()
        words = " ".join(f"word-{number}" for number in range(8))
        settled = await pushed(b, change={"snmp": {"location": words, "contact": words[::-1]}})
        assert settled.outcome is Outcome.CONFIRMED, settled.error
        assert f"snmp-server location {words}\n" in b.box.running_text()
        long = f"description {words} {words} {words}"
        lines = ("interface GigabitEthernet0/0", long, "exit")
        assert (await pushed(b, lines=lines)).outcome is Outcome.CONFIRMED
        assert f" {long}\n" in b.box.running_text()
        assert (await pushed(b, version=1)).outcome is Outcome.CONFIRMED
        assert b.now() == before


async def test_a_router_without_an_archive_goes_back_by_a_restart(tmp_path: Path, sqlite_url: str) -> None:
    async with bench(IOS, tmp_path, sqlite_url) as b:
        b.box.change("no archive")
        assert (await pushed(b, change={"dns": ["9.9.9.9"]})).outcome is Outcome.CONFIRMED
        assert not b.box.state.alarms
        before, boots = b.now(), b.box.state.boots
        patch = {"wan": {"address": "198.18.7.3/24"}}
        kinds = frozenset(one.kind for one in (await b.pushes.plan(b.asked(change=patch))).lockouts)
        settled = await pushed(b, change=patch, overrides=kinds)
        assert (b.cut_off, settled.outcome) == (True, Outcome.REVERTED), settled.error
        assert b.box.state.boots == boots + 1
        assert b.now() == before
        assert not b.box.state.alarms
