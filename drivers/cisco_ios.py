"""Cisco IOS and IOS XE over its interactive shell.

A text is taken for the whole running configuration when all of this holds: it starts with the header that counts its
bytes, it is as long as the header says, its last line is ``end`` right before the very prompt that was learned at
log-in, it names the host that the prompt names, and no log message stands in it.

Changes are typed in configuration mode, one line at a time; they are in effect at once and kept by `copy running-config
startup-config`. The language and the model in it are in ``cpe_manager.kit.ios``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.domain.errors import (
    CommandRefused,
    DeviceError,
    DeviceTimeout,
    FetchIncomplete,
    ForeignText,
    PromptLost,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature, require_features
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit.config_text import after_header, checked, last_lines, values
from cpe_manager.kit.ios import model as ios_model
from cpe_manager.kit.ios import ports
from cpe_manager.kit.ios.box import Box, short
from cpe_manager.kit.ios.replacing import Unit, replacing, with_own_secrets
from cpe_manager.kit.ios.startup import as_shown
from cpe_manager.kit.ios.ways import halves_of
from cpe_manager.kit.redaction import canonical, redact, strip_login
from cpe_manager.kit.secret_rules import REST, WORD, patterns
from cpe_manager.ports.driver import Capture, Facts, Guard, Recognition, Script, SecretRule, SnmpFacts, Spec
from cpe_manager.ports.line_oids import CISCO
from cpe_manager.ports.shell import PromptRules, Shell, Terminal
from drivers._line_probe import ios_answered, ios_line, ios_ping, ios_way

# How often the configuration is asked for in one session: a log message in the middle is bad luck, not a state.
_ATTEMPTS: Final = 3
# The counter may or may not count what stands between header and body; a larger difference is no such matter.
_SLACK: Final = 64
# Up to here the count is taken as exact: a blank line or two between header and body.
_EXACT: Final = 4
_UNITS: Final = {"year": 31_536_000, "week": 604_800, "day": 86_400, "hour": 3600, "minute": 60}
_TYPE: Final = r"(?:[0-9] )?"  # 0 plain, 5/8/9 hashes, 6/7 reversible

_RULES: Final = PromptRules(
    prompt=re.compile(r"(?P<host>[A-Za-z0-9][\w.-]{0,62})(?:\([\w-]+\))?[#>]"),
    pager=re.compile(r"^ ?-+ ?[Mm]ore ?-+$"),
    errors=re.compile(
        r"^(?:% ?(?:Invalid|Incomplete|Ambiguous|Unknown|Unrecognized|Authorization|Error|Bad|Access denied|Permission"
        r"|No |Not |Cannot|Can't|Unable|Failed|Duplicate|Configuration mode|Port \d|[\d.:A-F]+ overlaps|similar static"
        r"|A binding|There is )|%?Rollback aborted|Configuration mode (?:is )?locked"
        r"|Command (?:authorization failed|rejected)|Must delete secondary|ERROR: ).*",
        re.MULTILINE,
    ),
    questions=(
        (re.compile(r"^Destination filename \[\S+\]\? ?$"), ""),
        (re.compile(r"\[confirm\] ?$"), ""),
        (re.compile(r"Save\? \[yes/no\]: ?$"), "no"),
        (re.compile(r"do you want to delete (?:child|all) entries\? \[no\]: ?$"), "yes"),
        (re.compile(r"^(?:Continue|Are you sure|Do you want to continue).*\[(?:yes/no|y/n|no)\]: ?$"), "yes"),
    ),
)
_ASK: Final = re.compile(r"^[Pp]assword: ?$")
_EVIDENCE: Final = re.compile(r"\nend[ \t]*\n+\Z")
_HEADER: Final = "Current configuration"
_SAVED_HEADER: Final = re.compile(
    r"\A\s*Using (?P<bytes>\d+) out of \d+ bytes(?:, uncompressed size = (?P<whole>\d+) bytes)?[ \t]*\n"
)
_NOTHING_SAVED: Final = re.compile(r"(?:startup-config is|or) not present\s*\Z")
_LAST_CHANGE: Final = re.compile(r"^! Last configuration change at (?P<when>\S.*?) by (?P<by>\S+)$", re.MULTILINE)
_BYTES: Final = re.compile(r" ?: ?(\d+) bytes\s*\Z")
# A log message at the head of a line, or behind the clock or counter that IOS puts before it. The same words elsewhere
# are configuration: event managers and log filters quote them.
_MNEMONIC: Final = re.compile(r"%[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)?-[0-7]-[A-Z0-9_]+: ")
_STAMP: Final = re.compile(
    r"(?:\A|.*\W)(?:[*.]?[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Z]{2,5})?|\w+): \Z"
)

# As often as the router's own `configure replace` tries.
_PASSES: Final = 5
_WIDEST: Final = 511
_COPY: Final = "cpe-manager-"
_SAVED: Final = re.compile(r"^(?:\[OK\]|\d+ bytes copied)", re.MULTILINE)
# Keeps these out of the text of an error: they may quote what was typed.
_QUOTED: Final = re.compile(r"[:\"'].*", re.DOTALL)
_FEATURES: Final = frozenset(Feature) - {
    # The radios of these routers are older than WPA3.
    Feature.WIFI_WPA3,
    # A static translation is of one port; a rotary pool takes a range, but TCP only and without moving it.
    Feature.PORT_RANGE,
    # Whether a refusal is told (`ip unreachables`) is the interface's to say, and not an entry's.
    Feature.FIREWALL_REJECT,
}


def _hostname(text: str) -> str | None:
    return next(iter(values(text, "hostname ")), None)


SPEC: Final = Spec(
    family="cisco_ios",
    title="Cisco IOS, IOS XE",
    comment="!",
    volatile=patterns(
        r"^! (?:Last configuration change|NVRAM config last updated) at .*$",
        r"^! No configuration change since last restart$",
        # Which box it is, not how it is set up: another one that takes its place has another number.
        r"^license udi pid \S+ sn \S+$",
        r"^ntp clock-period \d+$",
    ),
    secrets=(
        *(
            SecretRule(pattern, "login")
            for pattern in patterns(
                rf"^username \S+ (?:.*? )?(?:password|secret|masked-secret) {_TYPE}{REST}",
                rf"^enable (?:password|secret) (?:level \d+ )?{_TYPE}{REST}",
                # Below `line` and `parser view`. Elsewhere (PKI, 802.1X) it is a log-in, too.
                rf"^ +(?:password|secret) {_TYPE}{REST}",
            )
        ),
        *(
            SecretRule(pattern, "snmp")
            for pattern in patterns(
                rf"^snmp-server community {_TYPE}{WORD}",
                r"^snmp-server host \S+ (?:vrf \S+ )?(?:(?:traps|informs) )?"
                rf"(?:version (?:1|2c|3 (?:auth|noauth|priv)) )?{_TYPE}{WORD}",
                rf"^snmp-server user \S+ \S+ .*?\bauth (?:md5|sha(?:-?\d+)?) (?:[0-9]{{1,3}} )?{WORD}",
                rf"^snmp-server user \S+ \S+ .*?\bpriv (?:3?des|aes(?: \d+)?) {WORD}",
                rf"^snmp mib community-map +{WORD}",
                rf"^rmon event \d+ .*?\btrap {WORD}",
            )
        ),
        *(
            SecretRule(pattern, "wifi")
            for pattern in patterns(
                rf"^ .*\bwpa-psk (?:ascii|hex) {_TYPE}{REST}",
                rf"^ .*\bset-key (?:ascii|hex) {_TYPE}{WORD}",
                rf"^ +encryption .*?\bkey \d+ size \S+ {_TYPE}{WORD}",
            )
        ),
        *(
            SecretRule(pattern, "ppp")
            for pattern in patterns(
                rf"^ +ppp (?:chap|eap) password {_TYPE}{REST}",
                rf"^ +ppp pap sent-username \S+ password {_TYPE}{REST}",
                rf"^ +(?:l2tp tunnel|vpdn) password {_TYPE}{WORD}",
                rf"^ .*\b(?:apn|profile) .*?\bpassword {_TYPE}{WORD}",
            )
        ),
        *(
            SecretRule(pattern, "key")
            for pattern in patterns(
                rf"^ +key-string {_TYPE}{REST}",
                rf"^ +(?:standby|vrrp|glbp) .*?\bauthentication (?:text |md5 key-string )?{_TYPE}(?!md5 ){WORD}",
                rf"^ +pre-shared-key (?:(?:local|remote) )?(?:(?:address|hostname) .*?\bkey )?{_TYPE}{WORD}$",
                rf"^crypto isakmp key {_TYPE}(?P<secret>\S+) (?:address|hostname) ",
                # A number alone below `key chain` names a key; behind a type it is one.
                rf"^ +key {_TYPE}(?!\d+[ \t]*$){REST}",
                rf"^(?:tacacs|radius)-server (?:.*? )?key {_TYPE}{WORD}",
                rf"^ +(?:server-private|client|server) .*?\b(?:server-)?key {_TYPE}{WORD}",
                rf"^ +pac key {_TYPE}{WORD}",
                rf"^cts .*\bpassword {_TYPE}{WORD}",
                rf"^ +(?:bind authenticate|dot1x username) .*\bpassword {_TYPE}{WORD}",
                rf"^ntp authentication-key \d+ \S+ {WORD}",
                rf"^ +neighbor \S+ password {_TYPE}{WORD}",
                rf"^mpls ldp .*?\bpassword .*?{_TYPE}{WORD}$",
                rf"\bmessage-digest-key \d+ md5 {_TYPE}{WORD}",
                rf"\bauthentication-key {_TYPE}{WORD}",
                rf"\bauthentication mode hmac-sha-256 {_TYPE}{WORD}",
                rf"^ +(?:isis|area-|domain-) ?password {_TYPE}{WORD}",
                rf"^ +ip nhrp authentication {_TYPE}{WORD}",
                rf"\bsession-key (?:in|out)bound (?:ah|esp) \d+ (?:cipher )?{WORD}",
                rf"\bauthenticator (?!.*session-key){WORD}$",
            )
        ),
        *(
            SecretRule(pattern, "other")
            for pattern in patterns(
                rf"^ip (?:ftp|http client) password {_TYPE}{WORD}",
                rf"^ +(?:authentication|credentials) .*?\bpassword {_TYPE}{WORD}",
                r"\b[a-z]+://[^\s:/@]+:(?P<secret>[^\s@]+)@",
            )
        ),
    ),
    maturity="lab",
    hostname=_hostname,
    # A box shows nothing of itself at log-in but what its owner put into the banner.
    recognition=Recognition(
        # ciscoProducts; other systems of the vendor's are below it as well, so sysDescr has to say which.
        sys_object_ids=("1.3.6.1.4.1.9.1",),
        sys_descr=(re.compile(r"Cisco (?:IOS|Internetwork Operating System) Software"),),
        ssh_version=(re.compile(r"^SSH-(?:2\.0|1\.99)-Cisco-"),),
        prompt=(re.compile(r"^[A-Za-z0-9][\w.-]{0,62}[>#]$"),),
    ),
    snmp=SnmpFacts(descr=re.compile(r"\bVersion (?P<release>[^,\s]+)"), line=CISCO),
    dialect="indented",
    evidence="The header counts the bytes, the last line is `end`, and the name in the text is the prompt's.",
    features=_FEATURES,
    rollback="replace-timer",
)


class CiscoIos:
    """Implements ``ports.driver.FullDriver``, ``Guarded``, ``Replacing``, ``Moving``, ``Restarting``, ``Starting`` and
    ``Witnessing``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        terminal = await _terminal(shell)
        problem = FetchIncomplete("never asked")
        for _ in range(_ATTEMPTS):
            try:
                text = await _privileged(terminal, shell, "show running-config", _EVIDENCE)
                return _accepted(text, terminal.hostname)
            except FetchIncomplete as error:
                problem = error
        raise problem

    async def facts(self, shell: Shell) -> Facts:
        terminal = await _terminal(shell)
        text = await terminal.run("show version")
        return Facts(
            hostname=terminal.hostname,
            model=_first(r"^[Cc]isco (\S+) .*(?:processor|revision)", text),
            serial=_first(r"^Processor board ID (\S+)", text),
            os_release=_first(r"^Cisco IOS.*, Version ([^,\s]+)", text),
            uptime=_uptime(_first(r"^\S+ uptime is (.*)$", text)),
        )

    async def startup(self, shell: Shell, running: str) -> str | None:
        """Empty for a router that has nothing saved."""
        terminal = await _terminal(shell)
        evidence = re.compile(f"{_EVIDENCE.pattern}|{_NOTHING_SAVED.pattern}")
        printed = await _privileged(terminal, shell, "show startup-config", evidence)
        if _NOTHING_SAVED.search(printed):
            return ""
        header = _SAVED_HEADER.match(printed)
        if header is None:
            raise FetchIncomplete("the header of the saved configuration is missing")
        text = checked(printed[header.end() :])
        announced = int(header["whole"] or header["bytes"])
        if last_lines(text, 1) != ["end"] or _off(announced, text) > _SLACK:
            raise FetchIncomplete("the saved configuration is not as long as the device announced")
        return as_shown(text, running)

    async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
        """The comment above what runs tells; of a change over no log-in it names nobody."""
        del shell
        found = _LAST_CHANGE.search(running[: running.find("\nversion ") + 1 or None])
        return None if found is None else LastChange(found["by"], found["when"], "head of the running configuration")

    def parse(self, text: str) -> CpeConfig:
        return ios_model.parse(text)

    def render(self, current: str, wanted: CpeConfig) -> Script:
        require_features(wanted, SPEC.features, SPEC.family)
        return Script(ios_model.render(current, wanted))

    def interfaces(self, text: str) -> Interfaces:
        return ports.interfaces(text)

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        del present
        return ports.renamed(text, names)

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """A line takes effect when it is taken: behind the first one the box is changed, whatever comes."""
        del guard  # it was armed before
        if not script:
            return
        terminal = await _terminal(shell)
        await _configuring(terminal, shell)
        for number, command in enumerate(script.commands):
            try:
                await terminal.run(command)
            except CommandRefused as refusal:
                await terminal.run("end")
                raise _told(refusal, command, changed=number > 0) from None
            except DeviceError as error:
                error.device_state = "unknown"
                error.args = (f"`{_masked(command)}`: no answer that says what became of it",)
                raise error from None
        await terminal.run("end")

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """By Tcl, which most images have: the lines are gathered, and one command has them all taken in a row. Typed
        one by one, those behind the line that moves the address would never arrive."""
        del guard  # it was armed before
        if not script:
            return
        terminal = await _terminal(shell)
        await _privileged(terminal, shell, "tclsh")
        changed = False
        try:
            await terminal.run("set moved {}")
            for command in script.commands:
                await terminal.run(f"lappend moved {_tcl(command)}")
            changed = True
            await terminal.run("eval ios_config $moved")
        except CommandRefused as refusal:
            await terminal.run("tclquit")
            raise _told(refusal, "ios_config", changed=changed) from None
        await terminal.run("tclquit")

    async def reboot(self, shell: Shell) -> None:
        """It asks whether to save what was changed, and whether it is meant."""
        await _going(await _terminal(shell), shell, "reload")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """The archive's own timer where there is an archive, else a restart in so many minutes. What runs is saved
        first: a restart, planned or not, then goes back too. A copy under the token's name tells whose it is."""
        if await self.armed(shell) is not None:
            raise CommandRefused("a rollback or a reload is scheduled there already")
        await self.save(shell)
        terminal = await _terminal(shell)
        for old in await _copies(terminal, shell):
            await _privileged(terminal, shell, f"delete /force flash:{_COPY}{old}")
        printed = await _privileged(terminal, shell, f"copy running-config flash:{_COPY}{guard.token}")
        if not _SAVED.search(printed):
            raise CommandRefused("the router keeps no copy of its configuration in flash")
        try:
            await self._promise(terminal, shell, guard)
        except CommandRefused:
            await _privileged(terminal, shell, f"delete /force flash:{_COPY}{guard.token}")
            raise

    async def _promise(self, terminal: Terminal, shell: Shell, guard: Guard) -> None:
        minutes = -(-guard.seconds // 60)
        printed = await _privileged(terminal, shell, f"configure terminal revert timer {minutes}")
        with suppress(CommandRefused):  # without an archive this never was configuration mode
            await terminal.run("end")
        if "Rollback Confirmed Change" not in printed:
            printed = await _privileged(terminal, shell, f"reload in {minutes}")
        if await self.armed(shell) != guard.token:
            raise CommandRefused(f"neither a rollback nor a reload could be scheduled: {printed.strip()[:200]}")

    async def armed(self, shell: Shell) -> str | None:
        terminal = await _terminal(shell)
        if not await _timer_runs(terminal, shell) and not await _reload_waits(terminal, shell):
            return None
        return next(iter(await _copies(terminal, shell)), "")

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) not in (None, guard.token):
            raise CommandRefused("the rollback that is scheduled there is another's")
        terminal = await _terminal(shell)
        if await _timer_runs(terminal, shell):
            await _privileged(terminal, shell, "configure confirm")
        if await _reload_waits(terminal, shell):
            await _privileged(terminal, shell, "reload cancel")
        if await self.armed(shell) is not None:
            raise CommandRefused("the rollback that was scheduled could not be taken back")
        for old in await _copies(terminal, shell):
            await _privileged(terminal, shell, f"delete /force flash:{_COPY}{old}")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) != guard.token:
            raise CommandRefused("no rollback of this name is scheduled there")
        terminal = await _terminal(shell)
        if await _timer_runs(terminal, shell):
            await _going(terminal, shell, "configure revert now")
            return
        # Raises where the router says that it gave up: then the restart stays scheduled, as the way back that is left.
        if await _going(terminal, shell, f"configure replace flash:{_COPY}{guard.token} force"):
            await _going(terminal, shell, "reload cancel")

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """Type what differs, read, and type what still differs, until nothing does (§5.1.2.4).

        Not `configure replace`: it takes a file, and many routers take none from us, or have no such command. What is
        left after the last pass is told by the line that was refused, if any was; else whoever reads will see it.
        """
        del guard  # it was armed before
        changed, typed = False, frozenset[Unit]()
        refused: CommandRefused | None = None
        try:
            for number in range(_PASSES):
                raw = canonical((await self.fetch(shell)).text, SPEC.volatile)
                stripped = strip_login(raw, SPEC.secrets, shell.credential.secrets())
                wanted = with_own_secrets(text, stripped, raw, lambda name: _unknown_secret(shell, name))
                units = replacing(stripped, wanted, strict=number > 0)
                if not units or (number > 1 and typed == frozenset(units)):
                    break
                changed, typed = True, frozenset(units)
                refused = await _typed(await _terminal(shell), shell, units)
        except DeviceError as error:
            lost = isinstance(error, (SessionDropped, DeviceTimeout, PromptLost))
            error.device_state = "untouched" if not changed and not lost else "unknown" if lost else "changed"
            raise
        if units and refused is not None:
            raise refused

    async def line(self, shell: Shell, text: str) -> LineState:
        wan = Box(text).wan
        if wan is None:
            return LineState(up=None)
        terminal = await _terminal(shell)
        brief = await terminal.run("show ip interface brief")
        return ios_line(brief, await _privileged(terminal, shell, "show ip route 0.0.0.0"), short(wan))

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        """By the routing table. A next hop without an interface is asked for in turn."""
        box, terminal = Box(text), await _terminal(shell)
        mobile, fixed = (short(block) if block else "" for block in (box.cellular, box.wan))
        for destination in (*(["128.0.0.0"] if halves_of(box) else []), "0.0.0.0"):  # noqa: S104
            printed = await _privileged(terminal, shell, f"show ip route {destination}")
            name, hop = ios_way(printed)
            if hop and not name:
                name, _ = ios_way(await _privileged(terminal, shell, f"show ip route {hop}"))
            if name:
                return {mobile: Carrier.MOBILE, fixed: Carrier.FIXED}.get(name)
            if hop:
                # The far end of PPP is in no network of the box's: a mobile route names its interface.
                return Carrier.FIXED
        return None

    async def ping(self, shell: Shell, target: str) -> bool:
        return ios_answered(await (await _terminal(shell)).run(ios_ping(target)))

    async def save(self, shell: Shell) -> None:
        terminal = await _terminal(shell)
        printed = await _privileged(terminal, shell, "copy running-config startup-config")
        if not _SAVED.search(printed):
            raise FetchIncomplete("the router does not say that the configuration was saved")


def _tcl(words: str) -> str:
    """A word of Tcl in which nothing is put in."""
    return '"' + re.sub(r'([\\"$\[\]{}])', r"\\\1", words) + '"'


async def _typed(terminal: Terminal, shell: Shell, units: tuple[Unit, ...]) -> CommandRefused | None:
    """Type units in configuration mode, whatever is refused of them; the first refusal. Nothing of a block is typed
    where the block was refused: it would be taken for lines of the mode that it was typed in."""
    first: CommandRefused | None = None
    await _configuring(terminal, shell)
    for unit in units:
        depth = 0
        try:
            for head in unit.heads:
                await terminal.run(head)
                depth += 1
        except CommandRefused as refusal:
            first = first or _told(refusal, unit.heads[depth], changed=True)
        else:
            for line in unit.lines:
                try:
                    await terminal.run(line)
                except CommandRefused as refusal:
                    first = first or _told(refusal, line, changed=True)
        for _ in range(depth):
            await terminal.run("exit")
    await terminal.run("end")
    return first


def _unknown_secret(shell: Shell, name: str) -> str:
    """A secret for what the router has none for: ours, where it is our log-in; else one that nobody knows."""
    credential = shell.credential
    if name == "enable":
        return credential.enable_password or credential.password or secrets.token_hex(12)
    return credential.password if name in ("", credential.username) and credential.password else secrets.token_hex(12)


async def _timer_runs(terminal: Terminal, shell: Shell) -> bool:
    """Whether a change waits for its confirmation; a router that does not know the question has none waiting."""
    try:
        return "Time left" in await _privileged(terminal, shell, "show archive config rollback timer")
    except CommandRefused:
        return False


async def _reload_waits(terminal: Terminal, shell: Shell) -> bool:
    try:
        return "Reload scheduled" in await _privileged(terminal, shell, "show reload")
    except CommandRefused:
        return False


async def _copies(terminal: Terminal, shell: Shell) -> list[str]:
    """The tokens of the copies that lie in flash."""
    try:
        return re.findall(rf"\b{_COPY}([0-9a-z]+)\b", await _privileged(terminal, shell, "dir flash:"))
    except CommandRefused:
        return []


async def _going(terminal: Terminal, shell: Shell, command: str) -> bool:
    """A command behind which the router may have another name, or the session may be gone; whether it was answered."""
    with suppress(SessionDropped, PromptLost):
        await _privileged(terminal, shell, command)
        return True
    return False


async def _terminal(shell: Shell) -> Terminal:
    terminal = await shell.terminal(_RULES)
    await terminal.run("terminal length 0")
    return terminal


async def _configuring(terminal: Terminal, shell: Shell) -> None:
    """Into configuration mode, with room for long lines: beyond the margin the router scrolls what is typed."""
    with suppress(CommandRefused):
        await terminal.run(f"terminal width {_WIDEST}")
    await _privileged(terminal, shell, "configure terminal")


async def _privileged(terminal: Terminal, shell: Shell, command: str, evidence: re.Pattern[str] | None = None) -> str:
    """Run a command of enable mode. User mode does not know it: only then is there a reason to elevate."""
    try:
        return await terminal.run(command, evidence=evidence)
    except CommandRefused as refusal:
        if not shell.credential.enable_password:
            raise
        try:
            await terminal.elevate("enable", ask=_ASK, secret=shell.credential.enable_password)
        except CommandRefused:
            # Enable mode already: the refusal was meant.
            raise refusal from None
    return await terminal.run(command, evidence=evidence)


def _accepted(printed: str, prompt_host: str) -> Capture:
    """The configuration out of a reply. Raises ``FetchIncomplete`` or ``ForeignText``."""
    header, rest = after_header(printed, _HEADER)
    announced = _BYTES.search(header, len(_HEADER))
    if announced is None:
        raise FetchIncomplete("the header of the configuration does not count its bytes")
    text = checked(rest)
    if message := _log_message(text):
        raise FetchIncomplete(f"a log message stands in the configuration: {message}")
    last, *before = last_lines(text, 2)
    if last != "end" or before == ["end"]:
        raise FetchIncomplete("the configuration does not end in one `end`")
    off = _off(int(announced.group(1)), text)
    if off > _SLACK:
        raise FetchIncomplete(f"{off} bytes more or fewer than the device announced")
    names = values(text, "hostname ")
    if names != [prompt_host]:
        raise ForeignText(f"the configuration is of {', '.join(names) or 'a nameless device'}, not of {prompt_host}")
    return Capture(text, prompt_host, counted=off <= _EXACT)


def _off(announced: int, text: str) -> int:
    """Bytes between the announced length and the text's.

    The device may count with either line end, and with or without the comment lines that it puts before the text.
    """
    lines = text.split("\n")
    comments = next((index for index, line in enumerate(lines) if not line.startswith("!")), 0)
    preamble = sum(len(line.encode()) + 1 for line in lines[:comments])
    whole, ends = len(text.encode()), text.count("\n")
    counts = (whole, whole + ends, whole - preamble, whole - preamble + ends - comments)
    return min(abs(announced - count) for count in counts)


def _log_message(text: str) -> str:
    """The first unsolicited log message in a configuration, shortened; empty when there is none."""
    for found in _MNEMONIC.finditer(text) if "%" in text else ():
        start = text.rfind("\n", 0, found.start()) + 1
        if start == found.start() or _STAMP.match(text[start : found.start()]):
            return text[start : start + 80].partition("\n")[0]
    return ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""


def _uptime(words: str) -> int | None:
    """Seconds out of `1 year, 2 weeks, 3 days, 4 hours, 5 minutes`."""
    parts = re.findall(r"(\d+) (year|week|day|hour|minute)s?", words)
    return sum(int(count) * _UNITS[unit] for count, unit in parts) if parts else None


def _masked(command: str) -> str:
    """A command without its secrets, as a line of a block and as one at the margin."""
    return redact(redact(f" {command}", SPEC.secrets)[1:], SPEC.secrets)


def _told(refusal: CommandRefused, command: str, *, changed: bool) -> CommandRefused:
    """A refusal with the command by name, without any secret that it holds or that the box quotes."""
    reason = str(refusal).removeprefix(f"{command!r}: ")
    reason = reason if reason.startswith("% Invalid input") else _QUOTED.sub("", reason)
    error = CommandRefused(f"`{_masked(command)}`: {reason}")
    error.device_state = "changed" if changed else "untouched"
    return error


DRIVER: Final = CiscoIos()
