"""The Teltonika router: OpenWrt's shell with the maker's tools and packages."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def run(start_box, login):
    """Run commands on a fresh box one after the other: `await run(a, b)` gives the results and the box."""

    async def execute(*commands):
        box = await start_box("teltonika", username="root")
        async with login(box) as connection:
            return [await connection.run(command) for command in commands], box

    return execute


async def test_it_says_who_made_it_and_what_it_runs(run):
    (version, name, serial, board), _ = await run(
        "cat /etc/version", "mnf_info --name", "mnf_info --sn", "ubus call system board"
    )
    assert version.stdout == "RUTX_R_00.07.06.3\n"
    assert name.stdout.startswith("RUTX11")
    assert re.fullmatch(r"[0-9]{10}\n", serial.stdout)
    assert json.loads(board.stdout)["model"] == "RUTX11"


async def test_the_serial_number_is_the_boxs_own(start_box, login):
    serials = set()
    for seed in (1, 2):
        async with login(await start_box("teltonika", seed=seed)) as connection:
            serials.add((await connection.run("mnf_info --sn")).stdout)
    assert len(serials) == 2


async def test_a_tool_that_is_asked_for_what_it_has_not_says_so(run):
    results, _ = await run("mnf_info", "mnf_info --frobnicate", "gsmctl --frobnicate", "mwan3 frobnicate")
    assert [result.exit_status for result in results] == [1, 1, 1, 1]
    assert all(result.stderr for result in results)


async def test_the_way_out_follows_the_configuration(run):
    results, _ = await run(
        "mwan3 status",
        "gsmctl -j; gsmctl -q",
        "uci set mwan3.wan.enabled=0; uci commit mwan3; mwan3 status",
        "uci set network.mob1s1a1.disabled=1; uci commit network; mwan3 interfaces; gsmctl -j",
    )
    assert "mwan_default:\n wan (100%)\n" in results[0].stdout
    assert re.search(
        r"^ interface mob1s1a1 is online [0-9]+h:[0-9]{2}m:[0-9]{2}s, uptime ", results[0].stdout, re.MULTILINE
    )
    assert re.match(r"Connected\nRSSI: -[0-9]+\nRSRP: -[0-9]+\n", results[1].stdout)
    assert "mwan_default:\n mob1s1a1 (100%)\n" in results[2].stdout
    assert " interface mob1s1a1 is disabled and tracking is not enabled\nDisconnected\n" in results[3].stdout


async def test_log_in_greets_with_maker_and_firmware(start_box, terminal):
    hand = await terminal(await start_box("teltonika"))
    greeting = await hand.wait_for("root@GENT-01:~# ")
    assert "Teltonika" in greeting
    assert "RUTX_R_00.07.06.3" in greeting


@pytest.mark.parametrize("family", ["openwrt", "teltonika"])
async def test_what_is_staged_elsewhere_is_seen_and_committed_from_there_only(start_box, login, family):
    box = await start_box(family)
    before = box.running_text()
    async with login(box) as connection:

        async def say(command):
            return (await connection.run(command)).stdout

        assert await say("uci -t /var/run/mine set network.lan.ipaddr=10.9.9.1; uci changes") == ""
        assert await say("uci -t /var/run/mine changes") == "network.lan.ipaddr='10.9.9.1'\n"
        assert await say("cat /tmp/run/mine/network") == "network.lan.ipaddr='10.9.9.1'\n"
        assert box.running_text() == before
        # The box's own stage is always read, so a commit from elsewhere takes it along.
        await say("uci set network.lan.netmask=255.255.0.0")
        assert await say("uci -t /var/run/mine changes") == (
            "network.lan.netmask='255.255.0.0'\nnetwork.lan.ipaddr='10.9.9.1'\n"
        )
        await say("uci revert network; uci -t /var/run/mine commit network; rm -rf /var/run/mine")
        assert "option ipaddr '10.9.9.1'" in box.state.startup
        assert "255.255.0.0'" not in box.state.startup
    assert not [path for path, text in box.state.scratch.items() if text]


@pytest.mark.parametrize(
    ("command", "error", "status"),
    [
        ("uci set network.nowhere.option=1", "uci: Invalid argument\n", 1),
        ("uci set network.lan.bad-name=1", "uci: Parse error\n", 1),
        ("uci set nowhere.lan.option=1", "uci: Entry not found\n", 1),
        ("uci delete network.lan.nothing", "uci: Entry not found\n", 1),
        ("uci add nowhere rule", "uci: Entry not found\n", 3),
        ("uci get network.@interface[x]", "uci: Invalid argument\n", 1),
        ("uci -q get network.nowhere", "", 1),
        ("uci set network.lan.nothing=", "", 0),
        ("uci commit nowhere", "uci: Entry not found\n", 1),
    ],
)
async def test_uci_refuses_as_libuci_does(run, command, error, status):
    (result, changes), _ = await run(command, "uci changes")
    assert (result.stderr, result.exit_status) == (error, status)
    assert changes.stdout == ""


async def test_sections_are_renamed_moved_and_written_on(run):
    results, _ = await run(
        "uci rename firewall.@rule[0]=first; uci reorder firewall.first=0; uci add_list firewall.first.src_ip=10.0.0.1",
        "uci changes firewall",
        "uci commit firewall; head -n 3 /etc/config/firewall; uci get firewall.first.src_ip",
        "uci del_list firewall.first.src_ip=10.0.0.1; uci set firewall.first=redirect; uci changes",
    )
    assert results[1].stdout == "firewall.5='first'\nfirewall.first='0'\nfirewall.first.src_ip+='10.0.0.1'\n"
    assert results[2].stdout == "\nconfig rule 'first'\n\toption name 'Allow-DHCP-Renew'\n10.0.0.1\n"
    assert results[3].stdout == "firewall.first.src_ip-='10.0.0.1'\nfirewall.first='redirect'\n"
