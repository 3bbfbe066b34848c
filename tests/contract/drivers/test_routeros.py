"""What RouterOS's driver takes for a whole export, how it reads one, and what it says of a refusal."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Interface, IPv4Network

import asyncssh
import pytest

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText, InputError, SessionDropped
from cpe_manager.domain.model.cpe_config import PortMapping, Reservation, Timer, Wan, Wifi, WifiSecurity
from cpe_manager.domain.model.cpe_mobile import Ports
from cpe_manager.kit.redaction import canonical, redact, strip_login
from cpe_manager.kit.routeros.language import Box, duration, quoted, seconds, unfolded, unquoted
from cpe_manager.ports.driver import Capture, Guard, Script
from cpe_manager.ports.shell import ExecResult
from drivers.routeros import DRIVER, SPEC, hostname
from simulators.device import Device
from simulators.fleet import Fleet
from simulators.personas.registry import persona_for
from simulators.spec import DeviceSpec
from simulators.state import new_state
from tests.contract.drivers.harness import fetch, nothing_left_open, sessions_for, target_of
from tests.contract.drivers.roster import DriverCase
from tests.fakes.shell import ScriptedShell

HEAD = (
    "# 2026-11-28 14:00:00 by RouterOS 7.15.3\n# software id = AB12-CD34\n#\n# model = C53UiG\n# serial number = X1\n"
)
TEXT = (
    f"{HEAD}/ip address add address=192.168.88.1/24 interface=bridge network=192.168.88.0\n"
    "/snmp set enabled=no\n/system identity set name=gw\n/tool romon set enabled=no\n"
)
UNKNOWN = ExecResult("expected end of command (line 1 column 15)\r\n", "", 0)


def ok(stdout: str) -> ExecResult:
    return ExecResult(stdout.replace("\n", "\r\n"), "", 0)


def exported(text: str = TEXT, name: str = "gw") -> ExecResult:
    return ok(f"{text}# cpe-manager: {name}\n")


def counted(text: str = TEXT, *, off: int = 0, tail: str | None = None) -> ExecResult:
    return ok(f"{len(text) + off}\n{text[-64:] if tail is None else tail}\n")


async def fetched(*results: ExecResult) -> Capture:
    return await DRIVER.fetch(ScriptedShell(commands={"*": list(results)}))


async def test_an_export_that_the_box_counts_the_same_is_taken() -> None:
    assert await fetched(exported(), counted()) == Capture(TEXT, "gw", counted=True)
    # Counted with carriage returns, or without the last line end.
    assert (await fetched(exported(), counted(off=TEXT.count("\n")))).counted
    assert (await fetched(exported(), counted(off=-1))).counted


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (exported(), counted(off=40)),
        (exported(), counted(off=-40)),
        (exported(), counted(tail="/tool romon set enabled=yes\n")),
        (exported(), counted(tail="")),
        (exported(), ok("")),
        (exported(), ok("no number\n")),
        (exported(), ExecResult(counted().stdout, "", None)),
        (ok(TEXT), counted()),
        (ExecResult(exported().stdout, "", None), counted()),
        (exported(TEXT.partition("\n")[2]), counted()),
        (exported(TEXT.replace("name=gw", "name=g\x01w")), counted()),
        (exported(TEXT.replace("/system identity set name=gw\n", "")), counted()),
        (exported(f'{TEXT}#error exporting "/interface/wifi" (timeout)\n'), counted()),
        (exported(f"{TEXT}#error exporting /ip socks\n#interrupted\n"), counted()),
        (exported(f"{TEXT}#interrupted\n"), counted()),
        (exported(f'{TEXT}#error exporting "/system/routerboard/wps-button" (timeout)\n'), counted()),
        (ok(""), counted()),
    ],
)
async def test_an_export_without_its_evidence_is_refused(first: ExecResult, second: ExecResult) -> None:
    with pytest.raises(FetchIncomplete):
        await fetched(*[first, second] * 3)


async def test_what_is_out_of_step_once_is_asked_for_again() -> None:
    assert (await fetched(exported(), counted(off=9), exported(), counted())).counted


async def test_an_export_of_another_box_is_foreign() -> None:
    with pytest.raises(ForeignText, match="of gw, not of other"):
        await fetched(*[exported(name="other"), counted()] * 3)


async def test_buttons_that_a_box_does_not_have_are_nothing_that_is_missing() -> None:
    text = f'{TEXT}#error exporting "/system/routerboard/mode-button"\n'
    assert (await fetched(exported(text), counted(text))).text == text


async def test_version_6_is_read_in_its_own_words_and_not_counted() -> None:
    text = TEXT.replace("2026-11-28", "nov/28/2026").replace("7.15.3", "6.49.10")
    shell = ScriptedShell(commands={"*": [UNKNOWN, exported(text), UNKNOWN]})
    assert await DRIVER.fetch(shell) == Capture(text, "gw", counted=False)
    assert [command.partition(";")[0] for command in shell.executed[:2]] == [
        "/export terse show-sensitive",
        "/export terse",
    ]


async def test_a_version_7_that_hides_its_secrets_is_not_whole() -> None:
    with pytest.raises(FetchIncomplete, match="secrets"):
        await fetched(*[UNKNOWN, exported()] * 3)


@pytest.mark.parametrize("said", ["bad command name export (line 1 column 2)", "not enough permissions (9)"])
async def test_a_refused_export_is_told_in_the_words_of_the_box(said: str) -> None:
    with pytest.raises(CommandRefused, match=said.partition(" (")[0]):
        await fetched(ok(f"{said}\n"))


async def test_a_menu_that_never_answers_makes_the_export_incomplete() -> None:
    case = DriverCase("routeros", box={"export_error": "yes"})
    async with Fleet([DeviceSpec("SITE-1", "routeros", options=case.box)]) as fleet:
        with pytest.raises(FetchIncomplete, match="/interface/wifi/access-list"):
            await fetch(sessions_for(fleet.devices), target_of(fleet.devices[0], case))


async def test_folded_lines_come_out_whole_so_that_no_secret_is_cut() -> None:
    secret = "a long pass phrase that goes on and on and on until the line is full"
    folded = (
        f'{HEAD}/ppp secret\nadd name=u password="{secret[:40]}\\\n    {secret[40:]}"\n/system identity\nset name=gw\n'
    )
    assert 'password="' + secret + '"' in unfolded(folded)
    capture = await fetched(exported(folded), counted(folded))
    assert secret in capture.text
    assert secret not in redact(capture.text, SPEC.secrets)


def test_two_exports_an_hour_apart_are_one_version() -> None:
    persona, spec = persona_for("routeros"), DeviceSpec("SITE-1", "routeros")
    state = new_state(spec, persona.factory_config(spec))
    now = state.clock()
    state.clock = lambda: now
    first = persona.running_text(state)
    state.clock = lambda: now + timedelta(hours=1)
    second = persona.running_text(state)
    assert first != second
    assert canonical(first, SPEC.volatile) == canonical(second, SPEC.volatile)


def test_a_password_with_marks_is_found_where_a_script_quotes_it() -> None:
    password = 'p$w"o?r\\d'
    line = f"/system script add name=s source={quoted(f'/tool fetch password=x{password}')}\n"
    assert quoted(password)[1:-1] in line
    assert quoted(password)[1:-1] not in strip_login(line, SPEC.secrets, (password,))


def test_the_name_is_read_however_it_is_written() -> None:
    assert hostname(TEXT) == "gw"
    assert hostname(f'{HEAD}/system identity set name="two words"\n') == "two words"
    assert hostname(HEAD) == "MikroTik"
    assert hostname("hostname gw\n") is None


def test_values_are_written_and_read_back() -> None:
    for value in ("plain", "two words", 'a"b', "back\\slash", "$cost", "why?", "[x]", "a;b", "", "#", "!x"):
        word = quoted(value) if value else '""'
        assert unquoted(word) == value
    assert unquoted('"caf\\C3\\A9\\_\\n"') == "café \n"
    with pytest.raises(InputError):
        quoted("café")
    for count, text in ((0, "0s"), (90, "1m30s"), (86_400, "1d"), (1_900_800, "3w1d"), (5400, "1h30m")):
        assert (duration(count), seconds(text)) == (text, count)
    assert (seconds("01:30:00"), seconds("2d00:00:05"), seconds("45"), seconds("")) == (5400, 172_805, 45, None)


HEADED = f"""{HEAD}/interface bridge
add name=br-office
/interface wifi
set [ find default-name=wifi1 ] channel.band=2ghz-ax configuration=cfg1 \\
    disabled=no security.passphrase="key with \\"marks\\""
set [ find default-name=wifi2 ] channel.band=5ghz-ax .frequency=5180 \\
    configuration.mode=ap .ssid=five disabled=no
add configuration.mode=ap .ssid=guests master-interface=wifi1 name=wifi3 disabled=no
/interface wifi configuration
add name=cfg1 security=sec1 ssid="the \\
    office"
/interface wifi security
add authentication-types=wpa2-psk,wpa3-psk name=sec1 passphrase=unused-one
/interface list
add name=LAN
/ip pool
add name=p1 ranges=10.1.1.100-10.1.1.200
/ip dhcp-server
add address-pool=p1 interface=br-office name=d1
/interface list member
add interface=br-office list=LAN
/ip address
add address=10.1.1.1/24 interface=br-office network=10.1.1.0
add address=80.1.2.6/29 interface=ether1 network=80.1.2.0
/ip dhcp-server lease
add address=10.1.1.5 mac-address=02:00:00:00:00:0A server=d1
add address=10.1.1.6 disabled=yes mac-address=02:00:00:00:00:0B server=d1
/ip dhcp-server network
add address=10.1.1.0/24 gateway=10.1.1.1
/ip firewall connection tracking
set udp-timeout=45s
/ip firewall nat
add action=dst-nat chain=dstnat dst-port=80,443 in-interface=ether1 protocol=\\
    tcp to-addresses=10.1.1.5
add action=dst-nat chain=dstnat dst-address=80.9.9.9 dst-port=25 hotspot=auth \\
    protocol=tcp to-addresses=10.1.1.5
/ip route
add disabled=no dst-address=0.0.0.0/0 gateway=80.1.2.1
add disabled=no distance=7 dst-address=10.200.0.0/16 gateway=10.1.1.9
add blackhole dst-address=10.201.0.0/16
"""


def test_an_export_with_headings_folded_lines_and_profiles_is_understood() -> None:
    found = DRIVER.parse(HEADED)
    assert found.hostname == "MikroTik"
    assert found.wan == Wan("static", IPv4Interface("80.1.2.6/29"), IPv4Interface("80.1.2.1/32").ip)
    assert found.wifi == (
        Wifi("2.4", "the office", WifiSecurity.WPA2_WPA3, 'key with "marks"', 0, True),
        Wifi("5", "five", WifiSecurity.OPEN, "", 36, True),
    )
    assert found.dhcp is not None
    assert found.dhcp.lease_seconds == 1800
    assert found.dhcp.reservations == (Reservation("02:00:00:00:00:0a", IPv4Interface("10.1.1.5/32").ip),)
    web = IPv4Interface("10.1.1.5/32").ip
    assert found.port_mappings == (
        PortMapping("tcp", Ports.one(80), web, 80),
        PortMapping("tcp", Ports.one(443), web, 443),
    )
    assert [(route.network, route.distance) for route in found.routes] == [(IPv4Network("10.200.0.0/16"), 7)]
    assert found.firewall.timers == (Timer("udp", 45),)
    assert found.management.telnet
    assert not DRIVER.render(HEADED, found)


@pytest.mark.parametrize(
    "text", ["", "\n", HEAD, "/ip address\n", "set [ find", "/interface wifi set [ find ] x=y\nadd\n", '"']
)
def test_whatever_is_printed_is_read_without_an_error(text: str) -> None:
    assert DRIVER.parse(text).hostname


def test_a_box_without_the_radio_that_is_wanted_says_so() -> None:
    found = DRIVER.parse(TEXT.replace("/snmp", "/ip dhcp-client add interface=ether1\n/snmp"))
    wanted = type(found)(hostname="gw", wan=found.wan, lan=found.lan, wifi=(Wifi("5", "x", WifiSecurity.OPEN),))
    with pytest.raises(InputError, match="no wifi radio for 5 GHz"):
        DRIVER.render(TEXT, wanted)


def test_items_that_are_alike_are_told_apart_by_their_place() -> None:
    box = Box("/ip firewall nat add chain=srcnat action=accept\n/ip firewall nat add chain=srcnat action=accept\n")
    first, second = box.all("ip firewall nat")
    assert box.address(first) == '[:pick [find chain="srcnat" and action="accept" and !dynamic] 0] '
    assert box.address(second).endswith(" 1] ")


SECRET = '/interface pppoe-client set [find name="pppoe-out1"] password="the-ppp-word" user=u'


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (ok("no such item\n"), CommandRefused, "no such item"),
        (ok("failure: already have such entry the-ppp-word\n"), CommandRefused, "failure"),
        (ok("something new\n"), CommandRefused, "no refusal that we know"),
        (ExecResult("", "", 1), CommandRefused, "status 1"),
        (ExecResult("", "", None), SessionDropped, "without a status"),
    ],
)
async def test_a_refusal_names_the_menu_and_never_a_value(
    answer: ExecResult, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        await DRIVER.apply(ScriptedShell(commands={"*": [answer]}), Script((SECRET,)))
    assert "`/interface pppoe-client set`" in str(caught.value)
    assert "the-ppp-word" not in str(caught.value)


async def test_facts_are_of_routeros_or_nobodys() -> None:
    printed = (
        "  name: gw\n                   uptime: 3w2d4h5m6s\n                  version: 7.15.3 (stable)\n"
        "               board-name: hAP ax^3\n                 platform: MikroTik\n"
        "       routerboard: yes\n        board-name: hAP ax^3\n             model: C53UiG\n     serial-number: X1\n"
    )
    facts = await DRIVER.facts(ScriptedShell(commands={"*": [ok(printed)]}))
    assert (facts.hostname, facts.model, facts.serial, facts.os_release) == ("gw", "C53UiG", "X1", "7.15.3")
    assert facts.uptime == ((23 * 24 + 4) * 60 + 5) * 60 + 6
    nobody = await DRIVER.facts(ScriptedShell(commands={"*": [ok("% Invalid input detected\n")]}))
    assert (nobody.hostname, nobody.os_release, nobody.uptime) == ("", "", None)


def damaged(rng: random.Random, text: str) -> str:
    """An export with lines gone, doubled and moved, values swapped and words missing."""
    lines = text.splitlines()
    values = re.findall(r'=("[^"]*"|\S+)', text)
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(rng.randrange(len(lines)), lines[at])
            case 2:
                lines[at] = re.sub(r'=("[^"]*"|\S+)', lambda _: f"={rng.choice(values)}", lines[at], count=2)
            case _:
                lines[at] = " ".join(word for word in lines[at].split(" ") if rng.random() > 0.15)
    return "\n".join(lines) + "\n"


def test_odd_exports_are_read_and_what_was_read_needs_no_change() -> None:
    persona, spec = persona_for("routeros"), DeviceSpec("SITE-1", "routeros")
    whole = persona.running_text(new_state(spec, persona.factory_config(spec))) + (
        "/ip route add dst-address=10.1.0.0/16 gateway=192.168.27.9\n"
        "/ipv6 address add address=2a02:a03f:12:3400::1 interface=bridge\n"
        "/ipv6 route add dst-address=2a02:a03f:12:3480::/57 gateway=2a02:a03f:12:3400::10\n"
        "/ip address add address=91.3.4.9/29 interface=bridge\n"
        "/ip firewall filter add chain=cpe-in action=drop protocol=tcp dst-port=80\n"
        "/ip service set telnet disabled=no\n"
    )
    rng = random.Random(5)
    for number in range(120):
        text = damaged(rng, HEADED if number % 3 == 0 else whole)
        found = DRIVER.parse(text)
        if found.wan is not None and found.lan is not None:
            assert DRIVER.render(text, found).commands == (), text


async def test_safe_mode_that_another_session_holds_takes_back_what_was_applied() -> None:
    case = DriverCase("routeros")
    async with Fleet([DeviceSpec("SITE-1", "routeros")]) as fleet, asyncio.timeout(60):
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = await fetch(sessions, target_of(device, case))
        wanted = replace(DRIVER.parse(before.text), hostname="UNCONFIRMED", dns=())
        known = asyncssh.import_known_hosts(f"[{device.address}]:{device.port} {device.host_key_public}\n")
        holder = await asyncssh.connect(
            device.address, device.port, known_hosts=known, username=device.spec.username,
            password=device.spec.secrets.login, client_keys=None, config=None,
        )  # fmt: skip
        terminal = await holder.create_process(term_type="vt100")
        await terminal.stdout.readuntil("] > ")
        terminal.stdin.write("\x18")
        await terminal.stdout.readuntil("<SAFE> ")
        async with sessions.open(target_of(device, case)) as opened:
            await DRIVER.apply(opened.shell, DRIVER.render(before.text, wanted))
        assert DRIVER.parse((await fetch(sessions, target_of(device, case))).text) == wanted
        holder.abort()
        await nothing_left_open(fleet)
        after = await fetch(sessions, target_of(device, case))
        assert canonical(after.text, SPEC.volatile) == canonical(before.text, SPEC.volatile)


GUARD = Guard("5f0c2a71", 120)
CASE = DriverCase("routeros")


def left(device: Device) -> list[str]:
    """What a way back leaves on the box: lines of its configuration, and files."""
    lines = [line for line in device.running_text().splitlines() if "cpe-manager" in line]
    return lines + [name for name in device.state.flash if "cpe-manager" in name]


async def passes(fleet: Fleet, seconds: float) -> None:
    device, ahead = fleet.devices[0], timedelta(seconds=seconds)
    clock = device.state.clock
    device.state.clock = lambda: clock() + ahead
    device.tick()
    await fleet.settled()


async def test_a_way_back_is_seen_in_no_capture_and_is_gone_once_it_was_confirmed() -> None:
    async with Fleet([DeviceSpec("SITE-1", "routeros")]) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        before = (await fetch(sessions, target_of(device, CASE))).text.splitlines()[1:]
        async with sessions.open(target_of(device, CASE)) as opened:
            await DRIVER.arm(opened.shell, GUARD)
            assert len(left(device)) == 3
            capture = await DRIVER.fetch(opened.shell)
            assert capture.counted
            assert capture.text.splitlines()[1:] == before
            with pytest.raises(CommandRefused, match="another's"):
                await DRIVER.confirm(opened.shell, Guard("0badcafe", 120))
            with pytest.raises(CommandRefused, match="no way back of this name"):
                await DRIVER.revert(opened.shell, Guard("0badcafe", 120))
            await DRIVER.confirm(opened.shell, GUARD)
        assert left(device) == []


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_way_back_that_was_gone_leaves_neither_schedule_nor_file(restarts: bool) -> None:
    async with Fleet([DeviceSpec("SITE-1", "routeros")], down_time=0.05) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        boots = device.state.boots
        async with sessions.open(target_of(device, CASE)) as opened:
            await DRIVER.arm(opened.shell, GUARD)
        device.change()
        if restarts:
            device.restart(0.0)
        await passes(fleet, 5.0 if restarts else 121.0)
        assert device.state.boots == boots + 1 + restarts
        assert "extra1" not in device.running_text()
        await passes(fleet, 5.0)
        assert left(device) == []


async def test_nothing_is_promised_while_somebody_holds_safe_mode() -> None:
    async with Fleet([DeviceSpec("SITE-1", "routeros")]) as fleet:
        device, sessions = fleet.devices[0], sessions_for(fleet.devices)
        dialogue = persona_for("routeros").dialogue(device.state)
        dialogue.control("X")
        async with sessions.open(target_of(device, CASE)) as opened:
            # Nobody sees a safe mode in which nothing was done yet; the way back would be the first of it.
            with pytest.raises(CommandRefused, match="safe mode"):
                await DRIVER.arm(opened.shell, GUARD)
            assert left(device) == []
            dialogue.feed("/system note set note=busy")
            assert await DRIVER.armed(opened.shell) == ""
            with pytest.raises(CommandRefused, match="safe mode"):
                await DRIVER.arm(opened.shell, GUARD)
        assert left(device) == []


async def test_a_box_that_cannot_save_a_backup_promises_nothing_and_keeps_nothing() -> None:
    none, done = ok("# cpe-manager: \n"), ok("")
    full = ok("Saving system configuration\nfailure: not enough disk space\n")
    shell = ScriptedShell(commands={"*": [none, done, done, ok("0\n"), done, full, done]})
    with pytest.raises(CommandRefused, match="disk space"):
        await DRIVER.arm(shell, GUARD)
    assert shell.executed[-1].startswith('/system scheduler remove [find name="cpe-manager-5f0c2a71"]; /file remove')


async def test_a_backup_lies_where_a_restart_leaves_it() -> None:
    none, done = ok("# cpe-manager: \n"), ok("")
    mine = ok("cpe-manager-5f0c2a71-start\ncpe-manager-5f0c2a71\n# cpe-manager: \n")
    saved = ok("Saving system configuration\nConfiguration backup saved\n")
    shell = ScriptedShell(
        commands={"*": [none, done, done, ok("1\n"), done, saved, ok("1\n"), done, mine, done]},
    )
    await DRIVER.arm(shell, GUARD)
    commands = "\n".join(shell.executed)
    saving = r'^/system backup save name="flash/cpe-manager-5f0c2a71" password="(\w{32})"$'
    sealed = re.search(saving, commands, re.MULTILINE)
    assert sealed is not None
    load = f'/system backup load name="flash/cpe-manager-5f0c2a71.backup" password="{sealed[1]}"'
    assert f"/system scheduler add name=cpe-manager-5f0c2a71 interval=2m on-event={quoted(load)}" in shell.executed
