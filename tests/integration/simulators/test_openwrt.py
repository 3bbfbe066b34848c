"""The OpenWrt router: a shell with exit statuses, and UCI with a stage before the files."""

from __future__ import annotations

import asyncio
import json

import pytest


@pytest.fixture
def run(start_box, login):
    """Run commands on a fresh box one after the other: `await run(a, b)` gives the results and the box."""

    async def execute(*commands, stdin=None):
        box = await start_box("openwrt", username="root")
        async with login(box) as connection:
            return [await connection.run(command, input=stdin) for command in commands], box

    return execute


async def test_export_is_the_true_configuration(run):
    (result,), box = await run("uci export")
    assert result.exit_status == 0
    assert result.stdout == box.running_text()


async def test_exporting_each_package_gives_all_of_them(run):
    names = ["dhcp", "dropbear", "firewall", "network", "rpcd", "snmpd", "system", "uhttpd", "wireless"]
    results, box = await run("ls /etc/config", *(f"uci export {name}" for name in names))
    assert results[0].stdout.split() == names
    assert "".join(result.stdout for result in results[1:]) == box.running_text()


@pytest.mark.parametrize(
    ("command", "out", "status"),
    [
        ("true && echo yes || echo no", "yes\n", 0),
        ("false && echo yes || echo no", "no\n", 0),
        ("false; echo $?", "1\n", 0),
        ("echo 'a  b' \"c $?\"; false", "a  b c 0\n", 1),
        ("exit 7; echo never", "", 7),
        ("cat /nowhere 2>/dev/null; echo RC=$?", "RC=1\n", 0),
        ("printf '%s-%s\\n' a b", "a-b\n", 0),
        ("uci export network | grep -c config; [ -f /etc/config/network ] && echo there", "7\nthere\n", 0),
        ("cat /tmp/sysinfo/model", "GL.iNet GL-MT3000\n", 0),
        ("hostname; uname -n", "GENT-01\nGENT-01\n", 0),
        ("echo kept > /tmp/x; echo more >> /tmp/x; cat /tmp/x", "kept\nmore\n", 0),
        ("cat /etc/config/uhttpd | wc -l; uci get system.@system[0].hostname", "7\nGENT-01\n", 0),
        ("echo 'open", "", 2),
    ],
)
async def test_the_shell_does_what_a_shell_does(run, command, out, status):
    (result,), _ = await run(command)
    assert result.exit_status == status
    assert result.stdout == out


async def test_an_unknown_command_is_not_found(run):
    (result,), _ = await run("frobnicate --all")
    assert (result.exit_status, result.stdout, result.stderr) == (127, "", "ash: frobnicate: not found\n")


async def test_staged_changes_are_seen_by_uci_and_not_by_the_files_until_the_commit(run):
    results, box = await run(
        "uci set network.lan.ipaddr=10.9.9.1 && uci add_list network.fixed.dns=9.9.9.9",
        "uci changes",
        "uci get network.lan.ipaddr; grep -c 10.9.9.1 /etc/config/network",
        "uci commit network; uci changes; grep -c 10.9.9.1 /etc/config/network",
        "uci get network.fixed.dns",
    )
    assert results[1].stdout == "network.lan.ipaddr='10.9.9.1'\nnetwork.fixed.dns+='9.9.9.9'\n"
    assert results[2].stdout == "10.9.9.1\n0\n"
    assert results[3].stdout == "1\n"
    assert results[4].stdout == "198.18.0.53 198.18.1.53 9.9.9.9\n"
    assert box.state.startup == box.state.running


async def test_revert_forgets_staged_changes_and_a_restart_does_too(start_box, login):
    box = await start_box("openwrt", username="root")
    before = box.running_text()
    async with login(box) as connection:
        await connection.run("uci set system.ntp.enabled=0; uci revert system")
        assert box.running_text() == before
        await connection.run("uci delete wireless.default_radio0")
        assert box.running_text() != before
    box.restart(down=0)
    assert box.running_text() == before


async def test_sections_are_added_named_and_deleted(run):
    results, _ = await run(
        "uci add firewall rule",
        "uci set firewall.@rule[-1].name=Mine; uci commit; uci show firewall | grep -F '@rule[2]'",
        "uci delete firewall.@rule[2] && uci commit firewall && uci show firewall.@rule[2]",
        "uci set nowhere.a.b=1",
    )
    assert results[0].stdout.startswith("cfg")
    assert results[1].stdout == "firewall.@rule[2]=rule\nfirewall.@rule[2].name='Mine'\n"
    assert (results[2].exit_status, results[2].stderr) == (1, "uci: Entry not found\n")
    assert results[3].exit_status == 1


async def test_import_takes_a_package_from_standard_input_and_refuses_nonsense(run):
    (result,), box = await run("uci import dropbear", stdin="config dropbear\n\toption Port '2222'\n")
    assert result.exit_status == 0
    assert "option Port '2222'" in box.running_text()
    (result,), box = await run("uci import dropbear", stdin="no such statement\n")
    assert result.exit_status == 1
    assert "option Port '22'" in box.running_text()


async def test_batch_takes_commands_from_standard_input(run):
    (result,), box = await run("uci batch", stdin="set system.ntp.enabled='0'\ncommit system\n")
    assert result.exit_status == 0
    assert "option enabled '0'" in box.state.startup


async def test_values_with_quotes_and_line_ends_survive_export_and_import(start_box, login):
    box = await start_box("openwrt", username="root")
    async with login(box) as connection:
        await connection.run('uci set system.ntp.note="it\'s\ntwo lines"; uci commit')
        exported = str((await connection.run("uci export system")).stdout)
        await connection.run("uci import system", input=exported)
        again = str((await connection.run("uci export system")).stdout)
        value = str((await connection.run("uci get system.ntp.note")).stdout)
    assert exported == again
    assert value == "it's\ntwo lines\n"


async def test_the_board_describes_itself_as_json(run):
    (result,), _ = await run("ubus call system board")
    board = json.loads(result.stdout)
    assert board["hostname"] == "GENT-01"
    assert board["release"]["distribution"] == "OpenWrt"


async def test_the_login_password_stands_in_rpcd_and_its_hash_outside_of_uci(run):
    (shadow,), box = await run("cat /etc/shadow")
    assert box.spec.secrets.login not in shadow.stdout
    assert "root:$6$" in shadow.stdout
    assert f"option password '{box.spec.secrets.login}'" in box.running_text()
    assert "$6$" not in box.running_text()


async def test_a_terminal_has_a_prompt_echo_and_statuses(start_box, terminal):
    box = await start_box("openwrt", username="root")
    hand = await terminal(box)
    await hand.wait_for("root@GENT-01:~# ")
    assert await hand.type("frobnicate", "~# ") == "frobnicate\r\n-ash: frobnicate: not found\r\nroot@GENT-01:~# "
    assert "127\r\n" in await hand.type("echo $?", "~# ")
    box.change("set system.@system[0].hostname=LEUVEN")
    await hand.type("", "root@LEUVEN:~# ")
    hand.press("\x04")
    await hand.rest()


async def test_reboot_drops_the_connection(start_box, login):
    box = await start_box("openwrt", username="root")
    async with login(box) as connection:
        await connection.run("reboot")
    assert box.state.boots == 2
    assert box.state.uptime < 60


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
async def test_every_line_end_is_one_enter(start_box, terminal, ending):
    hand = await terminal(await start_box("openwrt"))
    await hand.wait_for("~# ")
    hand.press(f"echo one{ending}")
    await hand.wait_for("\r\none\r\nroot@GENT-01:~# ")
    hand.press("echo t")
    hand.press(f"wo{ending}echo three\n")
    assert await hand.wait_for("three\r\n", "three\r\n") == "echo two\r\ntwo\r\nroot@GENT-01:~# echo three\r\n"


async def test_an_escape_sequence_torn_in_two_is_no_input(start_box, terminal):
    hand = await terminal(await start_box("openwrt"))
    await hand.wait_for("~# ")
    for part in ("host", "\x1b", "[1", "2;3R", "name", "\r"):
        hand.press(part)
        await asyncio.sleep(0.01)
    assert await hand.wait_for("GENT-01\r\n") == "hostname\r\nGENT-01\r\n"
