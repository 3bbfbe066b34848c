"""MikroTik RouterOS 7 over exec channels; version 6 is read as well.

The whole configuration is ``/export terse show-sensitive``: whole commands on a line each, so that a change is one line
of a difference and a secret is never cut by a line's end. An export has no end mark and RouterOS ends every command
with status 0, so the box is asked for a second export that it counts itself, and for the end of it: a text is taken
when both hold and the name in it is the box's. A release that cannot count (6, early 7) is read twice.

Every command that is refused says so on its output, and a command that was taken says nothing: so whatever is printed
is a refusal. RouterOS keeps every change at once; there is nothing to save.

The way back is a backup file of the box's own, which it loads when a schedule comes due or when it starts. Loading
brings back everything, log-ins and certificates too, and restarts the box. Safe mode is no way back for us: it holds
100 actions at most, and ends in one way or the other with a session.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address
from typing import Final

from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.domain.errors import (
    CommandRefused,
    DeviceError,
    DeviceState,
    DeviceTimeout,
    FetchIncomplete,
    ForeignText,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature, require_features
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.config_text import checked
from cpe_manager.kit.redaction import strip_login
from cpe_manager.kit.routeros import model as routeros_model
from cpe_manager.kit.routeros import ports
from cpe_manager.kit.routeros.language import (
    Box,
    command_path,
    duration,
    quoted,
    seconds,
    unfolded,
    unquoted,
    without_values,
)
from cpe_manager.kit.routeros.replacing import replacing, with_own_secret
from cpe_manager.kit.routeros.wan import modems, outside_interface
from cpe_manager.kit.secret_rules import patterns
from cpe_manager.ports.driver import Capture, Facts, Guard, Recognition, Script, SecretKind, SecretRule, SnmpFacts, Spec
from cpe_manager.ports.line_oids import ROUTEROS
from cpe_manager.ports.shell import ExecResult, Shell

# How often a whole text is compared with what came of the commands for it.
_PASSES: Final = 5
# Somebody may change the configuration between the two exports.
_ATTEMPTS: Final = 3
_MARK: Final = "# cpe-manager: "
_NAME: Final = "/system identity get name"
_EXPORTS: Final = ("/export terse show-sensitive", "/export terse")
"""Version 7 hides secrets unless it is told not to, version 6 does not know the word."""
_TAIL: Final = 64
"""Characters at the end of its own export that the box is asked for."""
# The counts of two boxes may differ by the last line end; what is missing beyond that is missed in the tail.
_SLACK: Final = 2
_HEADER: Final = re.compile(r"# \S+ \S+ by RouterOS (\d+)(?:\.\S*)?\n")
_REFUSAL: Final = re.compile(
    r"^(?:failure: |expected (?:end of command|command name)|syntax error|input does not match|no such (?:item|command)"
    r"|bad command name|ambiguous value|invalid value|value of |missing value|not enough permissions|interrupted"
    r"|action (?:failed|timed out)|unknown parameter|std failure|error: ).*",
    re.MULTILINE,
)
_UNKNOWN_WORD: Final = re.compile(r"^(?:expected end of command|unknown parameter|bad parameter)", re.MULTILINE)
_FAILED_MENU: Final = re.compile(r'^#error exporting "?(?P<menu>[^"\n]*)"?(?P<late> \(timeout\))?.*$', re.MULTILINE)
# A box without such buttons, as every virtual one, cannot export them: nothing is missing.
_NO_BUTTON: Final = re.compile(r"/system/routerboard/[a-z-]+-button")
_IDENTITY: Final = re.compile(r"^/system[ /]identity[ /\n]set name=(\"(?:[^\"\\\n]|\\.)*\"|\S+)", re.MULTILINE)
_UNNAMED: Final = "MikroTik"
_FEATURES: Final = frozenset(Feature) - {Feature.TIMER_PORT}
"""Connection tracking has its timers by protocol and state, not by port."""

_OURS: Final = "cpe-manager-"
"""What the names of our schedules and of our file begin with. The schedule that goes back in time is this and the
token, and so is the file; the one that goes back at the next start has a word behind that."""
_PROMISE: Final = re.compile(
    rf"^/system scheduler add (?:interval=\S+ )?name={_OURS}[0-9a-z-]+ on-event=.*$", re.MULTILINE
)
_SAVED: Final = "Configuration backup saved"
_NAMES: Final = (
    f':foreach i in=[/system scheduler find name~"^{_OURS}"] do={{:put [/system scheduler get $i name]}}; '
    f':put "{_MARK}"'
)
# The interface as version 7 says it, as version 6 did, and where the gateway is one.
_OVER: Final = re.compile(
    r"\bdst-address=(?:.*?\bimmediate-gw=(?:[\d.]+%)?(?P<over>[^\s,]+)|.*?\bgateway-status=\S+ reachable via +"
    r"(?P<status>[^\s,]+)|.*?\bgateway=(?:[\d.]+%)?(?P<gateway>[^\s,]+))"
)
_HISTORY: Final = "/system history print"
_COLUMNS: Final = re.compile(r"^[ #]*ACTION +(?=BY)", re.MULTILINE)
_UNDOABLE: Final = re.compile(r"^[ \d]*[UF] ")
_FLOATING: Final = re.compile(r"^[ \d]*F\s", re.MULTILINE)
"""An action that goes with the session that holds safe mode."""
# Where there is such a folder, nothing outside of it outlives a restart.
_FLASH: Final = ':put [:len [/file find name="flash"]]'

# A value in double quotes, a bare one, and one within a script that stands in quotes itself.
_FORMS: Final = (
    r'"(?P<secret>(?:[^"\\\n]|\\.)+)"',
    r'(?P<secret>[^\s"\\]+)',
    r'\\"(?P<secret>(?:[^"\\\n]|\\[^"\n])+)\\"',
)
_TUNNELS: Final = r"^/interface (?:pppoe|l2tp|sstp|ovpn|pptp|ppp|lte)[a-z-]*(?: apn)? (?:add|set) .*?"


def _rules(kind: SecretKind, *heads: str) -> tuple[SecretRule, ...]:
    """What stands behind each head, in every form that a value takes."""
    return tuple(SecretRule(pattern, kind) for pattern in patterns(*(head + form for head in heads for form in _FORMS)))


def _named(*names: str) -> str:
    """A property, wherever in a line; not one whose name only ends so."""
    return rf"(?<![\w-])(?:{'|'.join(names)})="


def hostname(text: str) -> str | None:
    """The name in an export; a box that was never named goes by the maker's."""
    found = _IDENTITY.search(text)
    if found is None:
        return _UNNAMED if _HEADER.match(text) else None
    return unquoted(found[1])


SPEC: Final = Spec(
    family="routeros",
    title="MikroTik RouterOS",
    comment="#",
    # With the version in it: what an upgrade changes of the configuration itself is seen in the other lines.
    # Our own way back is no configuration: it is gone in minutes, whatever becomes of the change.
    # Which box it is, neither: another one that takes its place has other numbers.
    volatile=(*patterns(r"^# .* by RouterOS .*$", r"^# (?:software id|model|serial number) = .*$"), _PROMISE),
    secrets=(
        # Passwords of users are in no export; a text that somebody wrote may set them.
        *_rules("login", r"^/user (?:add|set) .*?" + _named("password")),
        *_rules(
            "snmp",
            r"^/snmp community (?:add|set) .*?" + _named("name"),
            # The same below a heading, in an export that is not terse.
            r"^(?:add|set \[ find default=yes \]) addresses=\S+ .*?" + _named("name"),
            r"^/snmp community .*?" + _named("authentication-password"),
            r"^/snmp community .*?" + _named("encryption-password"),
            _named("authentication-password", "encryption-password"),
            _named("trap-community"),
        ),
        *_rules(
            "wifi",
            _named("passphrase", r"[a-z]+\.passphrase"),
            _named("wpa2?-pre-shared-key", "private-pre-shared-key", "management-protection-key"),
            _named("static-key-[0-3]", "static-sta-private-key", r"(?:[a-z]+\.)?eap-password", "mschapv2-password"),
            r"^/interface wireless access-list .*?" + _named("private-key"),
        ),
        *_rules(
            "ppp",
            _TUNNELS + _named("password"),
            r"^/interface (?:lte|ppp-client) (?:add|set) .*?" + _named("pin"),
            r"^/ppp secret (?:add|set) .*?" + _named("password"),
        ),
        *_rules(
            "key",
            _named("private-key", "preshared-key", "ipsec-secret", "secret", "secrets", "shared-secret"),
            _named("tcp-md5-key", "auth-key", "authentication-key", "cak", "encryption-key", "key-passphrase"),
            r"^/interface (?:vrrp|dot1x client) .*?" + _named("password"),
        ),
        *_rules(
            "other",
            _named("password", "sim-pin", "token", "api-key"),
        ),
        SecretRule(re.compile(r"\b[a-z]+://[^\s:/@\"]+:(?P<secret>[^\s@\"]+)@", re.MULTILINE), "other"),
    ),
    maturity="lab",
    hostname=hostname,
    recognition=Recognition(
        sys_object_ids=("1.3.6.1.4.1.14988.1",),
        sys_descr=(re.compile(r"^RouterOS\b"),),
        ssh_version=(re.compile(r"^SSH-2\.0-ROSSSH\b"),),
        banner=(re.compile(r"\bMikroTik RouterOS\b"),),
        prompt=(re.compile(r"^\[[^@\]\s]+@[^\]\n]+\] (?:/[\w/ -]*)?(?:<SAFE>|>) ?$"),),
    ),
    # MIKROTIK-MIB: mtxrBoardName, mtxrSerialNumber, mtxrLicVersion.
    snmp=SnmpFacts(
        model=("1.3.6.1.4.1.14988.1.1.7.8.0",),
        serial=("1.3.6.1.4.1.14988.1.1.7.3.0",),
        os_release=("1.3.6.1.4.1.14988.1.1.4.4.0",),
        line=ROUTEROS,
    ),
    dialect="path",
    evidence="The box counts an export of its own, and that count, its end and its name are the text's.",
    features=_FEATURES,
    rollback="scheduled-script",
    keeps_at_once=True,
)


@dataclass(frozen=True, slots=True)
class _Export:
    """One export with the line behind it: as it came, with each command on one line, and the box's own name."""

    raw: str
    text: str
    name: str
    command: str


class RouterOs:
    """Implements ``ports.driver.FullDriver``, ``Guarded``, ``Replacing``, ``Moving``, ``Restarting``, ``Starting`` and
    ``Witnessing``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        problem = FetchIncomplete("never asked")
        for _ in range(_ATTEMPTS):
            try:
                export = await _export(shell)
                counted = await _holds(shell, export)
                return Capture(export.text, export.name, counted=counted)
            except FetchIncomplete as error:
                problem = error
        raise problem

    async def facts(self, shell: Shell) -> Facts:
        """Empty for a box that does not call itself MikroTik."""
        result = await shell.execute("/system identity print; /system resource print; /system routerboard print")
        told: dict[str, str] = {}
        for line in _lines(result.stdout):
            name, colon, value = line.partition(": ")
            if colon:
                told.setdefault(name.strip(), value.strip())
        if told.get("platform") != "MikroTik":
            return Facts()
        return Facts(
            hostname=told.get("name", ""),
            model=told.get("model") or told.get("board-name", ""),
            serial=told.get("serial-number", ""),
            os_release=told.get("version", "").partition(" ")[0],
            uptime=seconds(told.get("uptime", "")),
        )

    async def startup(self, shell: Shell, running: str) -> str | None:
        """RouterOS keeps every change at once: what runs is what it comes up with."""
        del shell
        return running

    async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
        """The newest action of the history, which a restart empties and which has no times."""
        del running
        by = _newest_by(await _told(shell, _HISTORY))
        return LastChange(by, source=_HISTORY) if by else None

    def parse(self, text: str) -> CpeConfig:
        return routeros_model.read(text)

    def render(self, current: str, wanted: CpeConfig) -> Script:
        require_features(wanted, SPEC.features, SPEC.family)
        return Script(routeros_model.commands(current, wanted))

    def interfaces(self, text: str) -> Interfaces:
        return ports.interfaces(text)

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        return ports.adopted(text, present, names)

    async def line(self, shell: Shell, text: str) -> LineState:
        name = outside_interface(text)
        if not name:
            return LineState(up=None)
        named = quoted(name)
        up = await _told(shell, f":put [/interface get [find name={named}] running]")
        own = await _told(shell, f"/ip address print terse where interface={named}")
        defaults = await _told(shell, "/ip route print count-only where dst-address=0.0.0.0/0 active")
        found = re.search(r"\baddress=(\S+)", own)
        address = attempt(IPv4Interface, found[1]) if found else None
        return LineState({"true": True, "false": False}.get(up), address, defaults.isdecimal() and int(defaults) > 0)

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        """By the default route that is active. The main table's: others are for who is sent there by a rule."""
        shown = await _told(shell, "/ip route print terse where dst-address=0.0.0.0/0 active routing-table=main")
        found = _OVER.search(shown)
        name = (found["over"] or found["status"] or found["gateway"]).strip('"') if found else ""
        if not name:
            return None
        if name in modems(Box(text)):
            return Carrier.MOBILE
        return Carrier.FIXED if name == outside_interface(text) else None

    async def ping(self, shell: Shell, target: str) -> bool:
        last = (await _told(shell, f":put [/ping {ip_address(target)} count=2]")).split("\n")[-1].strip()
        if not last.isdecimal():
            raise FetchIncomplete("the box does not say how many echoes came")
        return int(last) > 0

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """Each command on a channel of its own, so that its answer is its own."""
        del guard  # it was armed before
        state: DeviceState = "untouched"
        for command in script.commands:
            try:
                _taken(command, await shell.execute(command))
            except (SessionDropped, DeviceTimeout) as error:
                error.device_state = "unknown"
                raise
            except DeviceError as error:
                error.device_state = state
                raise
            state = "changed"

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """As one script of the box's own, which goes on without us and stops at the first command that is refused."""
        del guard  # it was armed before
        if script:
            await _told(shell, f":execute script={quoted('; '.join(script.commands))}")

    async def reboot(self, shell: Shell) -> None:
        """Behind us: there nobody is asked whether it is meant."""
        with suppress(SessionDropped, DeviceTimeout):
            await _told(shell, ':execute script="/system reboot"')

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """Compare, command, and compare again, until nothing differs (§5.1.2.4).

        Not `/import`: it stops at the first line that is refused, and adds to what is there. A refused command may be
        taken once others were; what is refused in the last pass is raised.
        """
        del guard  # it was armed before
        secret = shell.credential.password or secrets.token_hex(12)
        state: DeviceState = "untouched"
        refused: CommandRefused | None = None
        commands: tuple[str, ...] = ()
        try:
            for number in range(_PASSES):
                current = strip_login((await self.fetch(shell)).text, SPEC.secrets, shell.credential.secrets())
                last, commands = commands, replacing(current, text, strict=number > 0)
                if not commands or (number > 1 and commands == last):
                    break
                state, refused = "changed", None
                for command in commands:
                    typed = with_own_secret(command, secret)
                    try:
                        _taken(typed, await shell.execute(typed))
                    except CommandRefused as refusal:
                        refused = refused or refusal
        except (SessionDropped, DeviceTimeout) as error:
            error.device_state = "unknown"
            raise
        except DeviceError as error:
            error.device_state = state
            raise
        if commands and refused is not None:
            refused.device_state = state
            raise refused

    async def save(self, shell: Shell) -> None:
        """What was applied is kept already; the box has to answer, no more."""
        result = await shell.execute(f":put [{_NAME}]")
        if result.exit_status is None or not result.stdout.strip():
            raise FetchIncomplete("the box does not say its name")
        if refusal := _refusal(result):
            raise CommandRefused(f"`{_NAME}`: {refusal}")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """A backup on flash and two schedules that load it: one in time, one at the next start, since a box without a
        clock of its own may start in the past. In the backup is only the latter, which then finds nothing to load and
        takes away what is left of it all."""
        if await self.armed(shell) is not None:
            raise CommandRefused("a way back is scheduled there already, or somebody holds safe mode")
        await _quiet(shell, _tidying(guard.token))
        try:
            await self._promise(shell, guard)
        except DeviceError:
            with suppress(DeviceError):
                await shell.execute(_tidying(guard.token))
            raise

    async def _promise(self, shell: Shell, guard: Guard) -> None:
        folder = "" if await _told(shell, _FLASH) == "0" else "flash/"
        name = f"{_OURS}{guard.token}"
        # Files have no owners here. Sealed, this one tells nothing to who may take files and not read schedules.
        seal = secrets.token_hex(16)
        load = f'/system backup load name="{folder}{name}.backup" password="{seal}"'
        start = (
            f':if ([:len [/system scheduler find name="{name}"]] > 0) do={{{load}}} else={{{_tidying(guard.token)}}}'
        )
        await _quiet(shell, f"/system scheduler add name={name}-start start-time=startup on-event={quoted(start)}")
        result = await shell.execute(f'/system backup save name="{folder}{name}" password="{seal}"')
        if _SAVED not in result.stdout or result.exit_status is None:
            raise CommandRefused(
                f"`/system backup save`: {_refusal(result) or 'the box does not say that it was saved'}"
            )
        if await _told(shell, f':put [:len [/file find name="{folder}{name}.backup"]]') != "1":
            raise CommandRefused("`/system backup save`: the file is not there")
        wait = duration(guard.seconds)
        await _quiet(shell, f"/system scheduler add name={name} interval={wait} on-event={quoted(load)}")
        if await self.armed(shell) != guard.token:
            raise FetchIncomplete("the way back that was scheduled is not there")
        if await _in_safe_mode(shell):
            raise CommandRefused("somebody holds safe mode there: what is done now would go with his session")

    async def armed(self, shell: Shell) -> str | None:
        """Safe mode that somebody holds is a promise too, and none of ours; it shows once something was done in it."""
        names = (await _told(shell, _NAMES)).split("\n")
        if names.pop().strip() != _MARK.strip():
            raise FetchIncomplete("the box does not say what is scheduled there")
        tokens = [name.removeprefix(_OURS) for name in names if re.fullmatch(rf"{_OURS}[0-9a-z]+", name)]
        if tokens:
            return tokens[0]
        return "" if await _in_safe_mode(shell) else None

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) not in (None, guard.token):
            raise CommandRefused("the way back that is scheduled there is another's")
        await _quiet(shell, _tidying(guard.token))
        if await self.armed(shell) == guard.token:
            raise FetchIncomplete("the way back is still scheduled")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        """Has the box do behind us what it would have done in time: there nobody is asked whether it is meant."""
        if await self.armed(shell) != guard.token:
            raise CommandRefused("no way back of this name is scheduled there")
        with suppress(SessionDropped):
            await _quiet(shell, f':execute script=[/system scheduler get [find name="{_OURS}{guard.token}"] on-event]')


def _newest_by(history: str) -> str:
    """Who did the newest action that was not undone. The table's head says where a column begins: actions have blanks
    in them."""
    head = _COLUMNS.search(history)
    if head is None:
        return ""
    titles, *rows = history[head.start() :].split("\n")
    start = len(head.group())
    end = titles.find("POLIC", start)
    newest = next((row for row in rows if _UNDOABLE.match(row)), "")
    by = newest[start : end if end > 0 else None].split()
    return by[0] if by and by[0] != "---" else ""


def _tidying(token: str) -> str:
    """Takes a way back away: what would go first, then what it would go by, last what would take the file away."""
    files = "; ".join(f'/file remove [find name~"^{folder}{_OURS}"]' for folder in ("", "flash/"))
    schedules = "/system scheduler remove [find name"
    return f'{schedules}="{_OURS}{token}"]; {files}; {schedules}~"^{_OURS}"]'


async def _told(shell: Shell, command: str) -> str:
    """What a command prints. Raises ``CommandRefused`` or ``FetchIncomplete``."""
    result = await shell.execute(command)
    if refusal := _refusal(result):
        raise CommandRefused(f"`{command_path(command)}`: {refusal}")
    if result.exit_status is None:
        raise FetchIncomplete(f"the answer to `{command_path(command)}` is not whole")
    return "\n".join(_lines(result.stdout)).strip("\n")


async def _quiet(shell: Shell, command: str) -> None:
    _taken(command, await shell.execute(command))


async def _in_safe_mode(shell: Shell) -> bool:
    return _FLOATING.search(await _told(shell, _HISTORY)) is not None


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


def _refusal(result: ExecResult) -> str:
    found = _REFUSAL.search("\n".join(_lines(f"{result.stdout}\n{result.stderr}")))
    return found.group().strip() if found else ""


def _taken(command: str, result: ExecResult) -> None:
    """Raises unless the command was taken without a word. The message names the menu and no value."""
    what = f"`{command_path(command)}`"
    said = f"{result.stdout}{result.stderr}".strip()
    if said:
        refusal = without_values(_refusal(result), command)
        raise CommandRefused(f"{what}: {refusal or 'the box said something that is no refusal that we know'}")
    if result.exit_status is None:
        raise SessionDropped(f"the channel of {what} ended without a status")
    if result.exit_status:
        raise CommandRefused(f"{what} ended with status {result.exit_status}")


async def _export(shell: Shell) -> _Export:
    """The export in the words of the box's release. Raises ``CommandRefused`` or ``FetchIncomplete``."""
    for command in _EXPORTS:
        result = await shell.execute(f'{command}; :put "{_MARK}$[{_NAME}]"')
        printed = "\n".join(_lines(result.stdout))
        if printed.startswith("# "):
            return _accepted(printed, result, command)
        if refusal := _refusal(result):
            if command == _EXPORTS[-1] or not _UNKNOWN_WORD.search(refusal):
                raise CommandRefused(f"`{command}`: {refusal}")
        else:
            break
    raise FetchIncomplete("the device did not answer with an export")


def _accepted(printed: str, result: ExecResult, command: str) -> _Export:
    body, mark, name = printed.rpartition(f"\n{_MARK}")
    if not mark or result.exit_status is None or result.stderr:
        raise FetchIncomplete("the line behind the export is missing")
    raw, name = checked(body + "\n"), name.strip("\n")
    text = re.sub(rf"{_PROMISE.pattern}\n", "", unfolded(raw), flags=re.MULTILINE)
    header = _HEADER.match(text)
    if header is None:
        raise FetchIncomplete("the export does not begin with the release that wrote it")
    if int(header[1]) >= 7 and command != _EXPORTS[0]:
        raise FetchIncomplete("the box does not show its secrets, so the export is not whole")
    for failed in _FAILED_MENU.finditer(text):
        if failed["late"] or not _NO_BUTTON.fullmatch(failed["menu"]):
            raise FetchIncomplete(f"the box could not export {failed['menu'] or 'one of its menus'}")
    if re.search(r"^#interrupted", text, re.MULTILINE):
        raise FetchIncomplete("the export was interrupted")
    said = _IDENTITY.search(text)
    if said is not None and unquoted(said[1]) != name:
        raise ForeignText(f"the configuration is of {unquoted(said[1])}, not of {name}")
    if said is None and name != _UNNAMED:
        raise FetchIncomplete("the name of the box is missing in its configuration")
    return _Export(raw, text, name, command)


async def _holds(shell: Shell, export: _Export) -> bool:
    """Whether the box counted what we have; False when it cannot count. Raises ``FetchIncomplete`` when it counted
    something else."""
    source = f'[:execute script="{export.command}" as-string]'
    line = f"{{:local t {source}; :put [:len $t]; :put [:pick $t ([:len $t] - {_TAIL}) [:len $t]]}}"
    result = await shell.execute(line)
    if _UNKNOWN_WORD.search("\n".join(_lines(result.stdout))) or "syntax error" in result.stdout:
        return False
    count, _, tail = "\n".join(_lines(result.stdout)).partition("\n")
    if not count.isdecimal() or result.exit_status is None:
        raise FetchIncomplete("the box did not count its export")
    length, ends = len(export.raw.encode()), export.raw.count("\n")
    if min(abs(int(count) - length), abs(int(count) - length - ends)) > _SLACK:
        raise FetchIncomplete(f"the box counts {count} characters in its configuration, {length} came")
    if not tail.strip("\n") or not export.raw.rstrip("\n").endswith(tail.strip("\n")):
        raise FetchIncomplete("the configuration does not end as the box says")
    return True


DRIVER: Final = RouterOs()
