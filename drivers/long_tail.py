"""The long tail: one driver for every platform that a library logs in to, ``netmiko:<device type>``.

It reads a configuration and types lines; it understands none of them. What is known of a platform is a row of
``PROFILES``: which command shows the configuration, and what stands at its end. The option ``command`` of a device
says another one, ``end_mark`` the line at the end.

No dialect here counts its lines, so no capture is ``counted``: what is new is read twice before it is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cpe_manager.domain.errors import CommandRefused, DeviceError, FetchIncomplete, ForeignText, InputError
from cpe_manager.domain.fleet.families import PLATFORM_PREFIX
from cpe_manager.kit.redaction import redact
from cpe_manager.kit.secret_rules import patterns
from cpe_manager.kit.terminal_text import foreign_character
from cpe_manager.ports.driver import Capture, Facts, Script, SecretKind, SecretRule, Spec
from cpe_manager.ports.long_tail import PlatformShell
from cpe_manager.ports.shell import Shell

_State = Literal["untouched", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class Profile:
    """command: what shows the configuration, empty when nobody knows one for all boxes. end: a whole line (a pattern)
    that stands last. discard: what throws staged lines away. comment: what starts a comment."""

    command: str = ""
    end: str = ""
    discard: tuple[str, ...] = ()
    comment: str = "!"


_RUNNING: Final = "show running-config"
_VYOS: Final = Profile("show configuration commands", discard=("discard",), comment="#")
_JUNOS: Final = Profile("show configuration", discard=("rollback 0",), comment="#")
_COMWARE: Final = Profile("display current-configuration", end="return", comment="#")
_SROS: Final = Profile("admin display-config", end=r"# Finished .*", comment="#")


def _table(*rows: tuple[Profile, str]) -> Mapping[str, Profile]:
    return {name: profile for profile, names in rows for name in names.split()}


PROFILES: Final[Mapping[str, Profile]] = _table(
    (
        Profile(_RUNNING, end="end"),
        (
            "a10 adtran_os allied_telesis_awplus apresia_aeos arista_eos aruba_os brocade_fastiron brocade_netiron "
            "cisco_ap cisco_ios cisco_ioswlc cisco_xe dell_force10 dell_os9 dell_dnos9 extreme_netiron fiberstore_fsos "
            "ipinfusion_ocnos maipu ruckus_fastiron ruijie_os tplink_jetstream zte_zxros"
        ),
    ),
    (
        Profile(_RUNNING),
        (
            "alaxala_ax26s alaxala_ax36s aruba_aoscx aruba_osswitch aruba_procurve asterfusion_asternos avaya_ers "
            "avaya_vsp broadcom_icos brocade_nos brocade_vdx calix_b6 casa_cmts cdot_cros centec_os ciena_saos10 "
            "cisco_apic cisco_ftd cisco_nxos cisco_s200 cisco_s300 cisco_s500 cisco_viptela dell_os10 dell_os6 "
            "dell_powerconnect dell_sonic dlink_ds edgecore_sonic eltex eltex_esr extreme_ers extreme_nos extreme_slx "
            "extreme_vdx extreme_vsp extreme_wing fiberstore_fsosv2 fiberstore_networkos furukawa_fitelnet "
            "hirschmann_hios hp_procurve iij_seilos infinera_packet lancom_lcossx4 lancom_lcossx5 mellanox "
            "mellanox_mlnxos moxa_nos nec_ix netgear_prosafe oneaccess_oneos quanta_mesh raisecom_roap raisecom_ros "
            "silverpeak_vxoa supermicro_smis telcosystems_binos ubiquiti_edgeswitch ubiquiti_unifiswitch zyxel_os"
        ),
    ),
    (Profile(_RUNNING, end="end", discard=("abort",)), "cisco_xr ericsson_ipos"),
    # `show running-config` hides the pre-shared keys behind asterisks.
    (Profile("more system:running-config", end=": end", comment=":"), "cisco_asa"),
    (Profile("show run-config commands"), "cisco_wlc"),
    (_COMWARE, "h3c_comware hp_comware huawei huawei_olt huawei_smartax huawei_vrp huawei_vrpv8"),
    (_JUNOS, "juniper juniper_junos"),
    (Profile("get config"), "juniper_screenos"),
    (_VYOS, "brocade_vyos ubiquiti_edge ubiquiti_edgerouter vyatta_vyos vyos"),
    (Profile("/export", comment="#"), "mikrotik_routeros mikrotik_switchos"),
    (Profile("show", end="end", comment="#"), "fortinet"),
    (Profile("show config running", comment="#"), "paloalto_panos"),
    (_SROS, "alcatel_sros nokia_sros"),
    (Profile("info from running", discard=("discard now",), comment="#"), "nokia_srl"),
    (Profile("show configuration snapshot"), "alcatel_aos"),
    (Profile("show configuration", comment="#"), "checkpoint_gaia extreme extreme_exos hillstone_stoneos"),
    (Profile("configuration show"), "ciena_saos"),
    (Profile("show config", comment="#"), "enterasys yamaha"),
    (Profile("show ns runningConfig", comment="#"), "netscaler"),
    (Profile("running-config-show", comment="#"), "pluribus"),
    (Profile("show configuration running"), "garderos_grs"),
    (Profile("config -g config", comment="#"), "opengear_linux"),
    (Profile("ovs-vsctl show", comment="#"), "ovs_linux"),
)
"""By netmiko's device type. One that is not here needs the option ``command``."""

REFUSED: Final = re.compile(
    r"\A(?:[^\n]*\n){0,6}?[ \t]*(?:"
    r"%[ ]?(?:Invalid|Incomplete|Ambiguous|Unknown|Unrecogni[sz]ed|Error|Bad|Cannot|Can't|Failed|Not|Command|Access|"
    r"Authorization|Permission)[^\n]*"
    r"|(?:Error|ERROR|Invalid input|Invalid command|Unknown command|unknown command|syntax error|Syntax error|"
    r"Unrecognized command|Wrong parameter|Command fail|bad command name|expected end of command|"
    r"Incomplete command|Ambiguous command|Permission denied|permission denied)\b[^\n]*"
    r"|[^\n]*: (?:command )?not found\b[^\n]*|\^ ?(?:syntax error|Error)[^\n]*)",
)
"""How a command is refused, in the first lines of the answer: a banner may say such things further below."""
_LOGGED: Final = re.compile(
    r"[A-Z][a-z]{2} +\d+ (?:\d{4} )?\d\d:\d\d:\d\d[^\n]{0,60}%[A-Z][A-Z0-9_]+-[0-7]-[A-Z0-9_]+:"
)
"""A log message in the form of IOS and its relatives; nobody asked for it, and it may stand within a line."""
_STATUS: Final = re.compile(r"^cpe-manager-status=(\d+)\s*\Z", re.MULTILINE)
_WHOLE: Final = "{}; echo cpe-manager-status=$?"
_LAST_STATUS: Final = re.compile(r"^cpe-manager-status=(\d+)[ \t]*$", re.MULTILINE)
_BLANK: Final = re.compile(r"^[ \t]+$", re.MULTILINE)
_NEVER: Final = re.compile(r"(?!)")

_TYPES: Final = (
    r"(?:[ \t]+(?:\d{1,2}|sha(?:\d+|-\d+)?|md5|scrypt|pbkdf2|hash(?:ed)?|ENC|encrypted|cipher|irreversible-cipher|"
    r"simple|plain(?:text)?|clear(?:text)?|ascii(?:-text)?|hex(?:adecimal)?|level[ \t]+\d+)){0,4}"
)
_UNLESS: Final = (
    r"(?!(?:policy|minimum|maximum|min|max|length|encryption|aging|age|recovery|history|expire|expiry|change|strength|"
    r"complexity|prompt|required|enable|disable|enabled|disabled|lifetime|control|is|not|for|of|and|or)\b)"
)
# A quoted value is all between the quotes, a bare one ends with its word.
_VALUE: Final = r"[\"']?(?P<secret>(?<=[\"'])[^\"'\n]+|[^\s\"';,{}]+)"
# Bounded, as everything here is: a long line of a box gone mad must not cost more than its length.
_GAP: Final = r"[^\n]{0,160}?"
_WORDS: Final = r"(?:[Pp]assword|passwd|secret|passphrase)"


def _rules(kind: SecretKind, *heads: str) -> tuple[SecretRule, ...]:
    """Each head with the value behind it. Case counts: patterns without are looked for at every character."""
    return tuple(SecretRule(re.compile(head + _VALUE, re.MULTILINE), kind) for head in heads)


SECRETS: Final = (
    *_rules(
        "login",
        rf"^[ \t]*(?:set[ \t]+)?(?:system[ \t]+login[ \t]+)?(?:username|user|local-user|admin|enable|super|mgmt-user)\b"
        rf"{_GAP}\b{_WORDS}{_TYPES}[ \t]+{_UNLESS}",
        rf"^[ \t]*(?:set[ \t]+)?{_WORDS}{_TYPES}[ \t]+{_UNLESS}",
        r"\b(?:encrypted|plaintext|plain-text|hashed)-password[ \t:=]+",
    ),
    *_rules(
        "snmp",
        r"\bcommunity(?:[ \t]+(?:name|read|write|cipher|simple|ro|rw)){0,3}[ \t]+",
        rf"\bsnmp{_GAP}\bauth[a-z-]*[ \t]+(?:md5|sha\S{{0,8}})[ \t]+",
        rf"\bsnmp{_GAP}\bpriv[a-z-]*[ \t]+(?:des\S{{0,8}}|aes(?:[ \t]+\d+|\S{{0,8}})|3des)[ \t]+",
    ),
    *_rules("ppp", rf"\b(?:ppp|pppoe|chap|pap|dialer)\b{_GAP}\b{_WORDS}{_TYPES}[ \t]+{_UNLESS}"),
    *_rules(
        "wifi",
        rf"\b(?:wpa|wpa2|wpa3|wep|wlan|ssid|wireless)\b{_GAP}\b(?:psk|key|passphrase){_TYPES}[ \t]+{_UNLESS}",
        r"^[ \t]*(?:option|list)[ \t]+(?:key\d?|psk|sae_password)[ \t]+",
    ),
    *_rules(
        "key",
        r"\b(?:psk|pre-?shared-?(?:key|secret)|shared-?secret|key-string|secret-key|private-key)" + rf"{_TYPES}[ \t]+",
        rf"\b(?:radius|tacacs|isakmp|ike|ipsec|bgp|ospf|ntp|authentication|server)\b{_GAP}\bkey{_TYPES}[ \t]+{_UNLESS}",
        r"^[ \t]*key[ \t]+\d[ \t]+",
    ),
    *_rules(
        "other",
        r"(?:[Pp]assword|passwd|passphrase|[Ss]ecret|psk|community|[-_]key|token)[\"']?[ \t]{0,8}[:=][ \t]{0,8}",
        rf"\b{_WORDS}{_TYPES}[ \t]+{_UNLESS}",
    ),
)
"""What secrets look like in most dialects. Where a line does not tell whose a password is, one at its beginning is
taken for a log-in of the device: it must not be kept (§5.2.1.3)."""
VOLATILE: Final = patterns(
    r"^[!#;/* \t-]*(?:Last (?:configuration change|commit|changed|modified|saved)|NVRAM config last updated|"
    r"No configuration change since last restart|Time:|Generated|Finished|Current configuration)\b.*$",
    # A comment with the time of day in it: RouterOS, NX-OS, SR OS and others begin with one.
    r"^[!#;/*].*\b\d{1,2}:\d\d:\d\d\b.*$",
    r"^(?:Building|Current) configuration\b.*$",
    r"^ntp clock-period .*$",
    r"^.*\b(?:up ?time|system time)\b(?: is|:).*$",
)
_HOSTNAME: Final = patterns(
    r"^[ \t]*(?:set[ \t]+)?(?:system[ \t]+)?(?:hostname|host-name|sysname|switchname)[ \t]+[\"']?(?P<name>[\w.-]+)",
    r"^/system identity\s+set name=[\"']?(?P<name>[\w.-]+)",
)


def hostname_in(text: str) -> str | None:
    """The name that a configuration gives its box, in the common dialects; None when none is found."""
    found = (pattern.search(text) for pattern in _HOSTNAME)
    return next((match["name"] for match in found if match), None)


class LongTail:
    """``ports.driver.Driver`` and ``Writing`` for one device type. It needs a ``PlatformShell``."""

    def __init__(self, device_type: str) -> None:
        self._profile = PROFILES.get(device_type, Profile())
        self._device_type = device_type
        self.spec = Spec(
            family=f"{PLATFORM_PREFIX}{device_type}",
            title=f"{device_type}, through netmiko",
            comment=self._profile.comment,
            volatile=VOLATILE,
            secrets=SECRETS,
            hostname=hostname_in,
            evidence=(
                f"the prompt is back, the last line is {self._profile.end!r}, and two readings agree"
                if self._profile.end
                else "the prompt is back to the letter with nothing behind it, and two readings agree"
            ),
        )

    async def fetch(self, shell: Shell) -> Capture:
        box = _platform(shell)
        command, end = self._command(box), box.options.get("end_mark") or ""
        evidence = re.compile(rf"^(?:{re.escape(end) if end else self._profile.end})[ \t]*\s*\Z", re.MULTILINE)
        if box.unix:
            text = _succeeded(await box.show(_WHOLE.format(command), evidence=_STATUS, errors=_NEVER), command)
        else:
            text = await box.show(command, evidence=evidence if end or self._profile.end else None, errors=REFUSED)
        # A pager that wipes itself out leaves blanks where an empty line follows.
        text = _BLANK.sub("", text).strip("\n") + "\n"
        return Capture(_whole(text, box.hostname, command), box.hostname)

    async def facts(self, shell: Shell) -> Facts:
        """The name in the prompt: no other question is understood by all of them."""
        return Facts(hostname=_platform(shell).hostname)

    async def apply(self, shell: Shell, script: Script) -> None:
        if not script:
            return
        box = _platform(shell)
        if box.unix:
            await self._apply_in_shell(box, script)
            return
        await box.begin()
        typed = 0
        try:
            for command in script.commands:
                self._check(await box.enter(command), command, typed + 1)
                typed += 1
            if box.commits:
                self._check(await box.commit(), "commit", typed + 1)
        except CommandRefused as error:
            error.device_state = await self._after_refusal(box, typed)
            raise
        except DeviceError as error:
            error.device_state = "unknown"
            raise
        await box.end()

    async def save(self, shell: Shell) -> None:
        box = _platform(shell)
        if box.unix or (box.commits and not box.saves):
            return
        self._check(await box.save(), "save", 0)

    def _command(self, box: PlatformShell) -> str:
        command = box.options.get("command") or self._profile.command
        if not command:
            raise InputError(
                f"{self.spec.family} has no command that shows the configuration of every such box; "
                "say which one it is with the setting options.command"
            )
        return command

    async def _apply_in_shell(self, box: PlatformShell, script: Script) -> None:
        for number, command in enumerate(script.commands):
            try:
                # Without evidence: the name in the prompt may change with the command.
                _succeeded(await box.enter(_WHOLE.format(command)), self._shown(command))
            except CommandRefused as error:
                # A command that failed may have done half of its work; one that does not exist has done nothing.
                missing = "exit status 127" in str(error)
                error.device_state = "changed" if number else "untouched" if missing else "unknown"
                raise
            except DeviceError as error:
                error.device_state = "unknown"
                raise

    async def _after_refusal(self, box: PlatformShell, typed: int) -> _State:
        """Leave the configuration mode; staged lines are thrown away first."""
        try:
            if box.commits:
                for command in self._profile.discard:
                    await box.enter(command)
            await box.end()
        except DeviceError:
            return "unknown" if typed else "untouched"
        if box.commits:
            return "untouched" if self._profile.discard else "unknown"
        return "changed" if typed else "untouched"

    def _check(self, answer: str, command: str, number: int) -> None:
        refusal = REFUSED.search(answer)
        if refusal:
            said = self._shown(_last_line(refusal.group()))
            raise CommandRefused(f"command {number}, {self._shown(command)!r}: {said}")

    def _shown(self, command: str) -> str:
        return redact(command, SECRETS)


def _platform(shell: Shell) -> PlatformShell:
    if not isinstance(shell, PlatformShell):
        raise CommandRefused("this session is none of the long tail's")
    return shell


def _succeeded(text: str, command: str) -> str:
    """What a command of a POSIX shell printed. Its exit status, told behind it, proves the end."""
    # What the command says on its standard error may come late, and stand behind the status.
    status = next(reversed(list(_LAST_STATUS.finditer(text))), None)
    body = text[: status.start()] if status else text
    if status is None or status[1] != "0":
        said = _first_line(body) or _first_line(text[status.end() :] if status else "")
        raise CommandRefused(f"{command!r}: exit status {status[1] if status else 'none'}; {said or 'no output'}")
    return body


def _whole(text: str, hostname: str, command: str) -> str:
    """The text if it can be a whole configuration of this box. Raises ``FetchIncomplete``, ``ForeignText``."""
    if not text.strip():
        raise FetchIncomplete(f"{command!r} showed nothing")
    if foreign := foreign_character(text):
        raise FetchIncomplete(f"{command!r}: no text: {foreign}")
    if logged := _LOGGED.search(text):
        line = text.count("\n", 0, logged.start()) + 1
        raise FetchIncomplete(f"{command!r}: a log message stands in line {line}")
    name = hostname_in(text)
    if name and hostname and not _same(name, hostname):
        raise ForeignText(f"{command!r}: the configuration is of {name!r}, the prompt of {hostname!r}")
    return text


def _same(one: str, other: str) -> bool:
    """Whether two names are one box's: prompts cut long ones, and leave domains out."""
    short, long = sorted((one.lower(), other.lower()), key=len)
    return long.startswith(short)


def _first_line(text: str) -> str:
    return next((line.strip()[:120] for line in text.split("\n") if line.strip()), "")


def _last_line(text: str) -> str:
    return next((line.strip()[:120] for line in reversed(text.split("\n")) if line.strip()), "")
