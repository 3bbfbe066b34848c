"""Faults that strike at one command of one session, and the ground truth that tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import asyncssh
import pytest

from simulators.faults import kinds
from simulators.state import Alarm

SET = "uci set system.@system[0].hostname='NEW-NAME' && uci commit system"


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", [kinds.DropAtCommand, kinds.CutAtCommand, kinds.RestartAtCommand])
async def test_a_command_that_is_struck_is_done_whole_or_not_at_all(start_box, login, kind, done):
    box = await start_box("openwrt")
    box.set_fault(kind(session=2, command=2, done=done))
    async with login(box) as connection:
        await connection.run("uci export")
        await connection.run("uci export")
    before = box.running_text()
    status = None
    with contextlib.suppress(OSError, asyncssh.Error):
        async with login(box) as connection:
            await connection.run("uci export")
            status = (await connection.run(SET)).exit_status
    assert status is None
    assert ("NEW-NAME" in box.running_text()) == done
    assert (box.running_text() == before) != done
    assert box.typing.struck == [kind.name]


async def test_a_refused_command_is_not_done_and_the_next_one_is(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.RejectCommand(command=2))
    async with login(box) as connection:
        done = [await connection.run(SET.replace("NEW", f"N{number}")) for number in (1, 2, 3)]
    assert [one.exit_status == 0 for one in done] == [True, False, True]
    assert "N3-NAME" in box.running_text()
    box.set_fault(kinds.RejectCommand(commands=0))
    for _ in range(2):
        async with login(box) as connection:
            assert (await connection.run("uci export")).exit_status != 0


async def test_a_stalled_command_goes_on_when_the_fault_is_cleared_and_dies_with_its_session(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.StallAtCommand(delay=600))
    async with login(box) as connection:
        asking = asyncio.create_task(connection.run(SET, check=True))
        await asyncio.sleep(0.05)
        assert not asking.done()
        assert "NEW-NAME" not in box.running_text()
        box.clear_faults()
        await asking
    assert "NEW-NAME" in box.running_text()
    box.set_fault(kinds.StallAtCommand(delay=600))
    async with login(box) as connection:
        asking = asyncio.create_task(connection.run(SET.replace("NEW", "LOST")))
        await asyncio.sleep(0.05)
        connection.abort()
        await asyncio.gather(asking, return_exceptions=True)
    box.clear_faults()
    await asyncio.sleep(0.05)
    assert "LOST-NAME" not in box.running_text()


async def test_a_path_that_is_cut_leaves_the_box_as_it_is_until_it_is_mended(start_box, login):
    box = await start_box("openwrt")
    box.cut()
    for _ in range(2):
        with pytest.raises((OSError, asyncssh.Error)):
            async with login(box):
                pass
    boots = box.state.boots
    box.clear_faults()
    async with login(box) as connection:
        await connection.run("uci export", check=True)
    assert box.state.boots == boots


async def test_a_clock_that_is_put_forward_has_the_box_do_what_is_due(start_box):
    box = await start_box("openwrt")
    rung = []
    box.state.set_alarm("a", Alarm(box.state.clock() + timedelta(seconds=120), rung.append))
    assert box.standing()["alarms"] == ["a"]
    box.advance(119)
    assert rung == []
    box.advance(1)
    assert rung == [box.state]
    assert box.standing()["alarms"] == []


async def test_the_ground_truth_tells_what_a_restart_would_bring(start_box):
    box = await start_box("cisco_ios")
    box.change("hostname UNSAVED-1")
    standing = box.standing()
    assert "UNSAVED-1" in standing["running"]
    assert "UNSAVED-1" not in standing["after_restart"]
    assert "UNSAVED-1" in box.running_text()
    box.state.save()
    assert "UNSAVED-1" in box.standing()["after_restart"]


async def test_where_there_is_no_room_nothing_is_written_and_all_else_is_done(start_box, login):
    box = await start_box("openwrt")
    box.set_fault(kinds.FlashFull())
    before = box.running_text()
    async with login(box) as connection:
        assert (await connection.run("uci export")).exit_status == 0
        refused = await connection.run("echo x > /etc/note")
        assert (refused.exit_status, refused.stderr) == (1, "ash: write error: No space left on device\n")
        assert (await connection.run("echo x > /tmp/note")).exit_status == 0
    assert box.running_text() == before
    assert box.typing.struck == ["flash_full"]
