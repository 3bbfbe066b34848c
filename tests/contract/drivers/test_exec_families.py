"""What the drivers that use exec channels accept as a whole configuration, and what they do not."""

from __future__ import annotations

import hashlib

import pytest

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.ports.driver import Capture, Driver
from cpe_manager.ports.shell import ExecResult
from drivers import frr_linux, openwrt, teltonika
from tests.fakes.shell import ScriptedShell, ScriptedTerminal

UCI = (
    "package network\n\nconfig interface 'wan'\n\toption proto 'pppoe'\n\toption password 'ppp-secret'\n\n"
    "package system\n\nconfig system\n\toption hostname 'gw'\n\n"
)
FRR = "!\nfrr version 8.4.4\nhostname r1\n!\ninterface eth0\n description fixed\nexit\n!\nend\n"
FRR_SHOWN = f"Building configuration...\n\nCurrent configuration:\n{FRR}"
VERSION = "FRRouting 8.4.4 (r1) on Linux(6.1.0).\nCopyright\n"
AS_COMMAND = "vtysh -c 'show running-config' && vtysh -c 'show running-config' | sha256sum; echo \"cpe-manager $?\""


def digest_of(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()}  -\n"


def ok(stdout: str) -> ExecResult:
    return ExecResult(stdout, "", 0)


async def fetch_uci(*results: ExecResult) -> Capture:
    return await openwrt.DRIVER.fetch(ScriptedShell(commands={"*": list(results)}))


def exported(text: str = UCI, *, name: str = "gw", status: int = 0, of: str | None = None) -> ExecResult:
    return ok(f"{text}{digest_of(text if of is None else of)}{name}\ncpe-manager {status}\n")


async def test_uci_is_accepted_with_the_devices_own_checksum() -> None:
    assert await fetch_uci(exported()) == Capture(UCI.rstrip("\n") + "\n", "gw", counted=True)


async def test_a_change_between_the_two_exports_is_answered_by_asking_again() -> None:
    assert (await fetch_uci(exported(of=UCI + "x"), exported())).hostname == "gw"


@pytest.mark.parametrize(
    "result",
    [
        exported(of=UCI + "x"),
        ok(UCI),
        ok(f"{UCI}{digest_of(UCI)}gw\n"),
        ExecResult(f"{UCI}{digest_of(UCI)}gw\ncpe-manager 0\n", "", None),
        ok(""),
        exported(text="\n"),
        exported(text=UCI.replace("proto", "pro\x01to")),
        ok(f"{UCI}{digest_of(UCI)}gw\ncpe-manager 0\nkernel: oops\n"),
        ok(f"{UCI}{digest_of(UCI)}gw\ncpe-manager \n"),
    ],
)
async def test_uci_without_its_evidence_is_refused(result: ExecResult) -> None:
    with pytest.raises(FetchIncomplete):
        await fetch_uci(result)


async def test_uci_of_another_device_is_foreign() -> None:
    with pytest.raises(ForeignText, match="of gw, not of other"):
        await fetch_uci(exported(name="other"))


@pytest.mark.parametrize(
    "result",
    [
        ExecResult("cpe-manager 127\n", "ash: uci: not found\n", 0),
        ExecResult("", "ash: syntax error\n", 2),
    ],
)
async def test_a_shell_that_refuses_uci_is_reported_with_its_words(result: ExecResult) -> None:
    with pytest.raises(CommandRefused, match="ash: "):
        await fetch_uci(result)


LOGINS = (
    "package rpcd\n\nconfig rpcd\n\toption socket '/var/run/ubus.sock'\n\n"
    "config login\n\toption username 'noc'\n\toption password 'it'\\''s plain'\n\tlist read '*'\n\n"
    "config login\n\toption username 'root'\n\toption password '$p$root'\n\n"
    "config login 'two'\n\toption password '$1$salt$hash'\n\toption timeout '30'\n\n"
)


async def test_the_log_in_passwords_of_rpcd_never_leave_the_driver_and_ppp_passwords_do() -> None:
    text = (await fetch_uci(exported(UCI + LOGINS))).text
    assert text.count(REMOVED) == 2
    assert "plain" not in text
    assert "$1$" not in text
    assert "option password '$p$root'" in text
    assert "option password 'ppp-secret'" in text
    assert text.replace(f"'{REMOVED}'", "", 1).count("\n") == (UCI + LOGINS).rstrip("\n").count("\n") + 1


ACCOUNTS = (
    "package pptpd\n\nconfig login\n\toption username 'home'\n\toption password 'vpn word'\n\n"
    "package rpcd\n\nconfig login\n\toption username 'noc'\n\toption password 'box word'\n\n"
)


@pytest.mark.parametrize("driver", [openwrt.DRIVER, teltonika.DRIVER], ids=lambda driver: driver.spec.family)
async def test_accounts_of_a_vpn_server_are_the_customers_and_stay(driver: Driver) -> None:
    text = (await driver.fetch(ScriptedShell(commands={"*": [exported(UCI + ACCOUNTS)]}))).text
    assert "option password 'vpn word'" in text
    assert "box word" not in text


def frr_shell(shown: ExecResult, *, version: str = VERSION, way: str = "login") -> ScriptedShell:
    commands = {"show running-config": shown, "show version": ok(version)}
    return ScriptedShell(commands=commands, options={"vtysh": way})


async def test_frr_is_accepted_from_a_log_in_vtysh() -> None:
    assert await frr_linux.DRIVER.fetch(frr_shell(ok(FRR_SHOWN))) == Capture(FRR, "r1")


async def test_frr_is_accepted_from_a_vtysh_command_with_a_checksum() -> None:
    result = ok(f"{FRR_SHOWN}{digest_of(FRR_SHOWN)}cpe-manager 0\n")
    for way in ("command", "auto"):
        shell = ScriptedShell(commands={AS_COMMAND: result}, options={"vtysh": way})
        assert await frr_linux.DRIVER.fetch(shell) == Capture(FRR, "r1", counted=True)
        assert shell.executed[0].startswith("id -u; ls -dp /etc/hostname ") == (way == "auto")
        assert shell.executed[way == "auto" :] == ["show running-config", AS_COMMAND][way == "command" :]


def linux_shell(
    *whole: str, listed: str = "0\n/etc/hostname\n/etc/ppp/peers/\n/etc/hosts\ncpe-manager 0\n", way: str = "linux"
) -> ScriptedShell:
    return ScriptedShell(commands={"*": [ok(listed), *map(ok, whole)]}, options={"vtysh": way})


def whole_box(*, name: str = "r1", host_file: str = "r1\n", hosts: str = "::1 lo\n", of: str | None = None) -> str:
    parts = (FRR_SHOWN, host_file, hosts if of is None else of)
    sums = "".join(digest_of(part).replace("  -", f"  {path}") for part, path in zip(parts, "abc", strict=True))
    return (
        f"# vtysh: show running-config\n{FRR_SHOWN}\n# file: /etc/hostname\n{host_file}\n# file: /etc/hosts\n{hosts}"
        f"\n# sha256sum\n{sums}{name}\ncpe-manager 0\n"
    )


BUNDLE = f"# vtysh: show running-config\n{FRR}\n# file: /etc/hostname\nr1\n\n# file: /etc/hosts\n::1 lo\n"


async def test_a_linux_box_is_accepted_with_the_checksum_of_each_part() -> None:
    for way in ("linux", "auto"):
        shell = linux_shell(whole_box(), way=way)
        assert await frr_linux.DRIVER.fetch(shell) == Capture(BUNDLE, "r1", counted=True)
        assert "cat /etc/hosts" in shell.executed[1]
        assert "peers" not in shell.executed[1]


async def test_a_file_without_an_end_of_line_is_counted_as_it_is_and_gets_one() -> None:
    found = await frr_linux.DRIVER.fetch(linux_shell(whole_box(hosts="::1 lo")))
    assert found.text == BUNDLE


async def test_a_change_between_the_two_readings_of_a_linux_box_is_answered_by_asking_again() -> None:
    assert (await frr_linux.DRIVER.fetch(linux_shell(whole_box(of="x"), whole_box()))).text == BUNDLE


@pytest.mark.parametrize(
    "printed",
    [
        "",
        whole_box(of="::2 lo\n"),
        whole_box().replace("# file: /etc/hosts\n", ""),
        whole_box().replace("# file: /etc/hostname\n", "# file: /etc/hostname\n# file: /etc/hosts\n"),
        whole_box().replace("# sha256sum\n", ""),
        whole_box().replace("cpe-manager 0\n", ""),
        whole_box().replace("cpe-manager 0\n", "kernel: oops\n"),
        whole_box(hosts="::1 l\x01o\n"),
    ],
)
async def test_a_linux_box_without_its_evidence_is_refused(printed: str) -> None:
    with pytest.raises(FetchIncomplete):
        await frr_linux.DRIVER.fetch(linux_shell(printed))


async def test_a_linux_box_of_another_name_is_foreign() -> None:
    with pytest.raises(ForeignText, match="of r1, not of r2"):
        await frr_linux.DRIVER.fetch(linux_shell(whole_box(name="r2")))


async def test_the_whole_box_is_refused_to_who_is_not_root() -> None:
    with pytest.raises(CommandRefused, match="no root shell"):
        await frr_linux.DRIVER.fetch(linux_shell(listed="1000\n/etc/hostname\ncpe-manager 0\n"))


async def test_frr_is_read_from_the_terminal_where_exec_channels_are_refused() -> None:
    terminal = ScriptedTerminal("r1", {"terminal length 0": "", "show running-config": ["junk", FRR_SHOWN + "\n"]})
    assert await frr_linux.DRIVER.fetch(ScriptedShell(terminal)) == Capture(FRR, "r1")


async def test_frr_is_read_through_bash_on_the_terminal() -> None:
    terminal = ScriptedTerminal("r1", {"vtysh -c 'show running-config'": FRR_SHOWN})
    assert await frr_linux.DRIVER.fetch(ScriptedShell(terminal)) == Capture(FRR, "r1")


@pytest.mark.parametrize(
    "printed",
    [
        "",
        FRR,
        FRR_SHOWN + FRR_SHOWN,
        FRR_SHOWN.replace("end\n", ""),
        FRR_SHOWN.replace("!\nend\n", "end\n"),
        FRR_SHOWN + "trailing\n",
        FRR_SHOWN.replace(" description fixed\nexit\n", " description fixed\n!\nrouter bgp 1\nexit\n"),
        FRR_SHOWN.replace("hostname r1\n", "hostname r1\n2026/11/23 02:31:07 ZEBRA: [X] eth0 is down\n"),
        FRR_SHOWN.replace("hostname r1\n", "hostname r1\n[ 8123.456789] eth1: Link is Down\n"),
        FRR_SHOWN.replace("fixed", "fix\ufffded"),
    ],
)
async def test_frr_without_its_evidence_is_refused(printed: str) -> None:
    with pytest.raises(FetchIncomplete):
        await frr_linux.DRIVER.fetch(frr_shell(ok(printed)))


async def test_frr_without_an_exit_status_is_refused() -> None:
    with pytest.raises(FetchIncomplete, match="without an exit status"):
        await frr_linux.DRIVER.fetch(frr_shell(ExecResult(FRR_SHOWN, "", None)))


async def test_frr_of_another_host_is_foreign() -> None:
    with pytest.raises(ForeignText):
        await frr_linux.DRIVER.fetch(frr_shell(ok(FRR_SHOWN), version=VERSION.replace("r1", "r2")))


async def test_an_older_frr_without_exit_lines_is_accepted() -> None:
    old = FRR.replace("exit\n", "")
    assert (await frr_linux.DRIVER.fetch(frr_shell(ok(FRR_SHOWN.replace(FRR, old))))).text == old


async def test_an_unknown_value_of_the_vtysh_option_is_refused_before_anything_is_run() -> None:
    shell = frr_shell(ok(FRR_SHOWN), way="sometimes")
    with pytest.raises(CommandRefused, match="sometimes"):
        await frr_linux.DRIVER.fetch(shell)
    assert shell.executed == []


@pytest.mark.parametrize("driver", [openwrt.DRIVER, frr_linux.DRIVER], ids=lambda driver: driver.spec.family)
async def test_facts_that_make_no_sense_are_an_error_of_the_device(driver: Driver) -> None:
    with pytest.raises((CommandRefused, FetchIncomplete)):
        await driver.facts(ScriptedShell(commands={"ubus call system board": ok("[1]"), "show version": ok("?")}))
