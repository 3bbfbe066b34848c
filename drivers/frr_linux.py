"""FRR on Linux through vtysh: its ``show running-config``.

vtysh may be the account's log-in shell or a command of it; the device option ``vtysh`` says which (``login`` or
``command``), ``auto`` tries. As a command, the device computes a checksum of a second print. As a log-in shell there
is no room for that: then the name in ``show version`` has to be the configuration's. In both, the text starts with
vtysh's header and ends in ``end``, and the exit status is 0. Where exec channels are refused, the terminal serves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, NoReturn

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.config_text import after_header, checked, last_lines, values
from cpe_manager.kit.secret_rules import REST, WORD, patterns
from cpe_manager.ports.driver import Capture, Facts, Recognition, SecretRule, Spec
from cpe_manager.ports.shell import ExecResult, PromptRules, Shell

_ATTEMPTS: Final = 3
_SHOW: Final = "show running-config"
_VTYSH: Final = f"vtysh -c '{_SHOW}'"
_VERSION: Final = "show version"
_COMMAND: Final = f'{_VTYSH} && {_VTYSH} | sha256sum; echo "cpe-manager $?"'
_DIGEST: Final = re.compile(r"([0-9a-f]{64}) +-")
_MARK: Final = "cpe-manager "
_RULES: Final = PromptRules(
    prompt=re.compile(r"(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]{0,62})(?:\([\w-]+\)|:[^\s#$]*)?[#>$]"),
    pager=re.compile(r"^(?:--More--|\(END\)|:)$"),
    pager_answer=" ",
    errors=re.compile(r"^(?:% (?:Unknown|Ambiguous|Command|There is no)|-?\w*sh: |Exiting: ).*", re.MULTILINE),
)
_EVIDENCE: Final = re.compile(r"\nend[ \t]*\n+\Z")
_HEADER: Final = "Current configuration:"
_VERSION_NAME: Final = re.compile(r"^FRRouting (?P<release>\S+) \((?P<name>[^)\s]+)\)", re.MULTILINE)
# A line's end leads each of these patterns in place of `^`: searching for it is many times cheaper.
_LOG_MESSAGE: Final = re.compile(
    r"\n(?:\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\[ *\d+\.\d+\] |kernel: ).*"
)
# A block that is left without the `exit` that FRR prints since release 8: something is missing.
_OPEN_BLOCK: Final = re.compile(r"\n .*\n(?! |exit)")


def _hostname(text: str) -> str | None:
    return next(iter(values(text, "hostname ")), None)


SPEC: Final = Spec(
    family="frr_linux",
    title="FRR on Linux",
    comment="!",
    volatile=(),
    secrets=(
        *(
            SecretRule(pattern, "login")
            for pattern in patterns(rf"^password (?:8 )?{REST}", rf"^enable password (?:8 )?{REST}")
        ),
        *(
            SecretRule(pattern, "key")
            for pattern in patterns(
                rf"^ +neighbor \S+ password {REST}",
                rf"^ +key-string {REST}",
                rf"\bmessage-digest-key \d+ md5 {WORD}",
                rf"\bauthentication-key {WORD}",
                rf"^ +ip rip authentication string {REST}",
                rf"^ +(?:isis|area-|domain-) ?password (?:clear|md5) {WORD}",
                rf"^ +ip nhrp authentication {WORD}",
                rf"^ +(?:neighbor|.* )(?:ldp )?password {WORD}$",
                rf"^ +eigrp authentication .*?\bpassword {WORD}",
            )
        ),
        *(SecretRule(pattern, "snmp") for pattern in patterns(rf"^agentx community {WORD}")),
        *(
            SecretRule(pattern, "other")
            for pattern in patterns(
                rf"^rpki cache .*?\bpassword {WORD}",
                r"\b[a-z]+://[^\s:/@]+:(?P<secret>[^\s@]+)@",
            )
        ),
    ),
    maturity="lab",
    hostname=_hostname,
    # Where the log-in shell is a Unix shell, FRR shows only when it is asked; SNMP tells of the Linux alone.
    recognition=Recognition(
        ssh_version=(re.compile(r"^SSH-2\.0-OpenSSH_"),),
        banner=(re.compile(r"\bthis is FRRouting \(version [^)]+\)"),),
        prompt=(re.compile(r"^(?:[\w.-]+@)?[A-Za-z0-9][\w.-]{0,62}(?::[^\s#$]*)?[#>$]$"),),
    ),
)


class FrrLinux:
    """Implements ``ports.driver.Driver``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        way = shell.options.get("vtysh", "auto")
        if way not in ("auto", "login", "command"):
            raise CommandRefused(f"device option vtysh={way!r} is none of auto, login, command")
        try:
            return await _insist(lambda: _by_command(shell, way))
        except CommandRefused:
            # The account may have a terminal and no exec channels; a terminal also tells a refusal in its own words.
            reader = await _by_terminal(shell)
        return await _insist(reader)

    async def facts(self, shell: Shell) -> Facts:
        result = await shell.execute(_VERSION)
        if result.exit_status != 0:
            result = await shell.execute(f"vtysh -c '{_VERSION}'")
        found = _VERSION_NAME.search(result.stdout)
        if found is None:
            raise CommandRefused(f"`{_VERSION}` is not understood")
        return Facts(hostname=found["name"], os_release=found["release"])


async def _insist(attempt: Callable[[], Awaitable[Capture]]) -> Capture:
    problem = FetchIncomplete("never asked")
    for _ in range(_ATTEMPTS):
        try:
            return await attempt()
        except FetchIncomplete as error:
            problem = error
    raise problem


async def _by_command(shell: Shell, way: str) -> Capture:
    """Over exec channels. Raises ``CommandRefused`` when neither a log-in vtysh nor a shell answers."""
    if way != "command":
        shown = await shell.execute(_SHOW)
        if shown.exit_status == 0:
            version = await shell.execute(_VERSION)
            named = _VERSION_NAME.search(version.stdout)
            return _accepted(shown.stdout, named["name"] if named else "")
        if shown.exit_status is None or way == "login":
            _refuse(shown)
    return _checksummed(await shell.execute(_COMMAND))


async def _by_terminal(shell: Shell) -> Callable[[], Awaitable[Capture]]:
    """Open the terminal and find out what speaks there; the result reads the configuration from it."""
    terminal = await shell.terminal(_RULES)
    try:
        await terminal.run("terminal length 0")
        command = _SHOW
    except CommandRefused:
        command = _VTYSH

    async def read() -> Capture:
        return _accepted(await terminal.run(command, evidence=_EVIDENCE), terminal.hostname)

    return read


def _refuse(result: ExecResult) -> NoReturn:
    if result.exit_status is None:
        raise FetchIncomplete("the command ended without an exit status")
    reason = (result.stderr.strip() or result.stdout.strip()).partition("\n")[0]
    raise CommandRefused(f"status {result.exit_status}: {reason[:200] or 'no reason given'}")


def _checksummed(result: ExecResult) -> Capture:
    """A reply to ``_COMMAND``: its last line tells the status of vtysh, the line before it the checksum."""
    mark, *before = last_lines(result.stdout, 2)
    digest = _DIGEST.fullmatch(before[0]) if before else None
    if mark == f"{_MARK}0" and digest is not None and result.exit_status == 0:
        printed = result.stdout[: result.stdout.rindex(digest.group())]
        if hashlib.sha256(printed.encode()).hexdigest() != digest.group(1):
            raise FetchIncomplete("the checksum is not the one that the device computed")
        return replace(_accepted(printed, ""), counted=True)
    if result.exit_status != 0 or mark.startswith(_MARK):
        _refuse(result)
    raise FetchIncomplete("the end mark behind the configuration is missing")


def _accepted(printed: str, name: str) -> Capture:
    """The configuration out of a reply; ``name`` is the device's, empty when it did not tell.

    Raises ``FetchIncomplete`` or ``ForeignText``.
    """
    _, rest = after_header(printed, _HEADER)
    text = checked(rest)
    if found := _LOG_MESSAGE.search(text):
        raise FetchIncomplete(f"a log message stands in the configuration: {found.group().strip()[:80]}")
    if last_lines(text, 2) != ["end", "!"]:
        raise FetchIncomplete("the configuration does not end in `!` and `end`")
    if "\nexit\n" in text and _OPEN_BLOCK.search(text):
        raise FetchIncomplete("a block of the configuration breaks off")
    names = values(text, "hostname ")
    if name and name not in names:
        raise ForeignText(f"the configuration is of {', '.join(names) or 'a nameless device'}, not of {name}")
    return Capture(text, name or (names[0] if names else ""))


DRIVER: Final = FrrLinux()
