"""What the IOS driver accepts as a whole configuration, and what it does not."""

from __future__ import annotations

import pytest

from cpe_manager.domain.errors import AuthFailed, CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.redaction import canonical
from cpe_manager.ports.driver import Capture
from cpe_manager.ports.shell import Credential
from drivers.cisco_ios import DRIVER
from tests.fakes.shell import ScriptedShell, ScriptedTerminal

BODY = """!
version 15.7
!
hostname r1
!
interface GigabitEthernet0/0
 description fixed line
 ip address 198.18.4.2 255.255.255.0
!
end
"""


def shown(body: str = BODY, *, announced: int | None = None) -> str:
    return f"Building configuration...\n\nCurrent configuration : {announced or len(body)} bytes\n{body}\n"


async def fetch(*replies: str, hostname: str = "r1") -> Capture:
    terminal = ScriptedTerminal(hostname, {"terminal length 0": "", "show running-config": list(replies)})
    return await DRIVER.fetch(ScriptedShell(terminal))


async def test_the_header_is_dropped_and_the_body_kept_to_the_letter() -> None:
    assert await fetch(shown()) == Capture(BODY, "r1", counted=True)


async def test_the_counter_may_count_carriage_returns() -> None:
    assert (await fetch(shown(announced=len(BODY) + BODY.count("\n")))).text == BODY


@pytest.mark.parametrize(
    "line",
    [
        ' event syslog pattern "%LINEPROTO-5-UPDOWN: .*Dialer1"',
        "! the %SYS-5-CONFIG_I: messages are filtered upstream",
        "logging discriminator QUIET mnemonics drops %LINK-3-UPDOWN",
    ],
)
async def test_log_messages_that_the_configuration_quotes_are_part_of_it(line: str) -> None:
    body = BODY.replace("end\n", f"event manager applet X\n{line}\nend\n")
    assert (await fetch(shown(body))).text == body


@pytest.mark.parametrize(
    "message",
    [
        "%LINK-3-UPDOWN: Interface Dialer1, changed state to down",
        "*Mar  1 00:01:02.123: %LINK-3-UPDOWN: Interface Dialer1, changed state to down",
        "000047: Nov 23 2026 02:31:07 CET: %SEC_LOGIN-5-LOGIN_SUCCESS: Login Success",
        "1w2d: %SYS-5-CONFIG_I: Configured from console by admin on vty0",
        " description fix*Mar  1 00:01:02.123: %SYS-5-CONFIG_I: Configured from console",
    ],
)
async def test_a_log_message_within_is_not_accepted_but_asked_away(message: str) -> None:
    noisy = shown(BODY.replace("!\nend", f"!\n{message}\nend"))
    with pytest.raises(FetchIncomplete, match="log message"):
        await fetch(noisy)
    assert (await fetch(noisy, noisy, shown())).text == BODY


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (BODY, "header"),
        (shown(BODY.replace("end\n", "") + "! end\n"), "evidence"),
        (shown(BODY + "end\n", announced=len(BODY)), "one `end`"),
        (shown(BODY, announced=len(BODY) + 500), "bytes more or fewer"),
        (shown(BODY) + shown(BODY), "not alone"),
        ("% something odd\n" + shown(BODY), "header"),
        (shown(BODY.replace("fixed", "fi\x00ed")), "U\\+0000"),
        (shown(BODY.replace("fixed", "fi\ufffded")), "U\\+FFFD"),
        ("", "evidence"),
        (shown(BODY.replace("!\nend", "!\nend\nrubbish")), "evidence"),
    ],
)
async def test_a_text_that_is_not_the_whole_configuration_is_refused(printed: str, why: str) -> None:
    with pytest.raises(FetchIncomplete, match=why):
        await fetch(printed)


@pytest.mark.parametrize("body", [BODY.replace("hostname r1\n", ""), BODY.replace("r1", "r2"), BODY + ""])
async def test_a_configuration_of_another_host_is_foreign(body: str) -> None:
    hostname = "r1" if body != BODY else "r9"
    with pytest.raises(ForeignText):
        await fetch(shown(body), hostname=hostname)


LOCKED = frozenset({"show running-config"})
SCRIPT = {"terminal length 0": "", "show running-config": shown()}


async def test_user_mode_is_left_with_the_enable_password() -> None:
    terminal = ScriptedTerminal("r1", SCRIPT, LOCKED, "enable-secret")
    assert (await DRIVER.fetch(ScriptedShell(terminal))).text == BODY
    assert terminal.commands == ["terminal length 0", "show running-config", "enable", "show running-config"]


async def test_a_wrong_enable_password_is_an_authentication_failure() -> None:
    terminal = ScriptedTerminal("r1", SCRIPT, LOCKED, "another-secret")
    with pytest.raises(AuthFailed):
        await DRIVER.fetch(ScriptedShell(terminal))


async def test_without_an_enable_password_the_devices_refusal_stands() -> None:
    terminal = ScriptedTerminal("r1", SCRIPT, LOCKED, "enable-secret")
    with pytest.raises(CommandRefused, match="Invalid input"):
        await DRIVER.fetch(ScriptedShell(terminal, credential=Credential("backup", "x")))


async def test_in_enable_mode_already_the_devices_refusal_stands() -> None:
    terminal = ScriptedTerminal("r1", {"terminal length 0": ""})
    with pytest.raises(CommandRefused, match="Invalid input"):
        await DRIVER.fetch(ScriptedShell(terminal))


@pytest.mark.parametrize(
    ("line", "host"),
    [("r1#", "r1"), ("edge-7.lab>", "edge-7.lab"), ("r1(config-if)#", "r1"), ("R_1#", "R_1")],
)
async def test_prompts_are_recognised_with_their_hostname(line: str, host: str) -> None:
    shell = ScriptedShell(ScriptedTerminal("r1", SCRIPT))
    await DRIVER.fetch(shell)
    assert shell.rules is not None
    found = shell.rules.prompt.fullmatch(line)
    assert found is not None
    assert found["host"] == host


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("% Invalid input detected at '^' marker.", True),
        ("% Bad secrets", True),
        ("%Error opening tftp", True),
        ("Command authorization failed.", True),
        ("%SYS-5-CONFIG_I: Configured from console", False),
        ("% of all packets", False),
    ],
)
async def test_the_devices_refusals_are_told_from_its_other_lines(line: str, refused: bool) -> None:
    shell = ScriptedShell(ScriptedTerminal("r1", SCRIPT))
    await DRIVER.fetch(shell)
    assert shell.rules is not None
    assert shell.rules.errors is not None
    assert bool(shell.rules.errors.search(f"before\n{line}\nafter")) is refused


def test_two_captures_an_hour_apart_have_one_fingerprint() -> None:
    body = BODY.replace(
        "!\nversion", "! Last configuration change at {} by {}\n! NVRAM config last updated at {} by {}\n!\nversion"
    )
    body = body.replace("!\nend", "ntp clock-period 1717986{}\nend")
    one = body.format("02:10:00 CET Mon Mar 1 2027", "noc", "02:11:00 CET Mon Mar 1 2027", "noc", 0)
    other = body.format("03:10:00 CET Mon Mar 1 2027", "backup", "03:11:00 CET Mon Mar 1 2027", "backup", 7)
    assert one != other
    volatile = DRIVER.spec.volatile
    assert canonical(one, volatile) == canonical(other, volatile)
    assert "hostname r1" in canonical(one, volatile)
    assert canonical(one, volatile) != canonical(one.replace("fixed line", "another"), volatile)
