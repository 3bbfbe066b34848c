"""Teltonika's RutOS over exec channels: OpenWrt with the maker's modem and failover sections.

Reading, evidence and changing are those of OpenWrt (``cpe_manager.kit.uci*``). Different are the mobile interface,
named by modem, SIM and APN (``mob1s1a1``), the failover between WANs, which is mwan3's, and where the box tells what
it is: ``mnf_info`` for the maker's data and ``/etc/version`` for the release.
"""

from __future__ import annotations

import json
import re
from typing import Final

from cpe_manager.domain.cpe_config import CpeConfig, Mobile
from cpe_manager.domain.cpe_features import Feature, require_features
from cpe_manager.domain.errors import CommandRefused, DeviceError, DeviceTimeout, FetchIncomplete, SessionDropped
from cpe_manager.kit import uci_firewall, uci_model, uci_session
from cpe_manager.kit.uci import Edit, Section, Uci, attempt, secret_patterns
from cpe_manager.ports.driver import Artefact, Capture, Facts, Recognition, Script, SecretRule, SnmpFacts, Spec
from cpe_manager.ports.shell import Shell

# Somebody may change the configuration between the two exports, or the kernel write into the output.
_ATTEMPTS: Final = 3
_MOBILE_INTERFACE: Final = "mob1s1a1"
_RELEASE: Final = re.compile(r"RUT\w*_R_[0-9.]+\w*")
_FEATURES: Final = frozenset(Feature) - {Feature.TELNET, Feature.TIMER_PROTOCOL, Feature.TIMER_PORT}
"""No Telnet server is built in, and the timers of connection tracking are no part of UCI."""


def _failover(box: Uci, name: str) -> Section | None:
    return box.named("mwan3", name, "interface")


def _mobile_section(box: Uci) -> Section | None:
    found = [s for s in box.all("network", "interface") if re.fullmatch(r"mob[0-9]+s[0-9]+a[0-9]+", s.name)]
    return next((section for section in found if section.name == _MOBILE_INTERFACE), found[0] if found else None)


def _read_mobile(box: Uci) -> Mobile | None:
    """Active when mwan3 may lead traffic there and the interface itself is not switched off."""
    section = _mobile_section(box)
    if section is None:
        return None
    failover = _failover(box, section.name)
    active = failover is not None and failover.on("enabled") and section.on("auto", True) and not section.on("disabled")
    log_in = ("", "") if section.text("auth") == "none" else (section.text("username"), section.text("password"))
    return attempt(Mobile, section.text("apn"), active, *log_in)


def _write_mobile(edit: Edit, wanted: Mobile | None) -> None:
    if _read_mobile(edit.box) == wanted:
        return
    section = _mobile_section(edit.box)
    if wanted is None:
        if section is not None:
            # The section stays: it names the modem and the SIM. Without an APN of its own and switched off it is idle.
            for option in ("apn", "username", "password"):
                edit.put(section, option, None)
            edit.put(section, "disabled", "1")
            _write_failover(edit, section, active=False)
        return
    if section is None:
        section = edit.add("network", "interface", _MOBILE_INTERFACE, proto="wwan", modem="3-1", sim="1", metric="4")
    edit.put(section, "apn", wanted.apn)
    if section.on("auto_apn"):
        # A guess by the SIM's operator would go before what is written here.
        edit.put(section, "auto_apn", "0")
    edit.put(section, "username", wanted.username)
    edit.put(section, "password", wanted.password)
    if bool(wanted.username) != (section.text("auth", "none") != "none"):
        edit.put(section, "auth", "chap" if wanted.username else "none")
    for option in ("disabled", "auto"):
        if wanted.active and option in section.options:
            edit.put(section, option, "0" if option == "disabled" else "1")
    _write_failover(edit, section, active=wanted.active)
    uci_firewall.zone_takes(edit, section.name, True)


def _write_failover(edit: Edit, section: Section, *, active: bool) -> None:
    failover = _failover(edit.box, section.name)
    if failover is not None:
        if failover.on("enabled") != active:
            edit.put(failover, "enabled", "1" if active else "0")
        return
    if not active:
        return
    edit.add("mwan3", "interface", section.name, enabled="1", family="ipv4", interval="3")
    member = edit.add("mwan3", "member", f"{section.name}_member", interface=section.name, metric="2")
    policy = edit.box.named("mwan3", "mwan_default", "policy") or edit.add("mwan3", "policy", "mwan_default")
    edit.put(policy, "use_member", [*policy.words("use_member"), member.name])


_MOBILE: Final = uci_model.MobileWay(_read_mobile, _write_mobile)

SPEC: Final = Spec(
    family="teltonika",
    title="Teltonika RutOS",
    comment="#",
    volatile=(),
    secrets=tuple(SecretRule(pattern, kind) for kind, pattern in secret_patterns()),
    maturity="lab",
    hostname=uci_session.hostname,
    recognition=Recognition(
        sys_object_ids=("1.3.6.1.4.1.48690",),
        sys_descr=(re.compile(r"(?i)\bteltonika\b|\bRUTOS\b"),),
        ssh_version=(re.compile(r"^SSH-2\.0-dropbear"),),
        banner=(re.compile(r"(?i)\bteltonika\b|\brutos\b"), _RELEASE),
        prompt=(re.compile(r"^root@(?:Teltonika|RUT)[\w.-]*:[~/][^\n]*# ?$"),),
        # It is an OpenWrt in all that an OpenWrt is known by.
        priority=10,
        made_from=("openwrt",),
    ),
    # TELTONIKA-MIB: productCode, serial, fwVersion.
    snmp=SnmpFacts(
        model=("1.3.6.1.4.1.48690.1.3.0",),
        serial=("1.3.6.1.4.1.48690.1.1.0",),
        os_release=("1.3.6.1.4.1.48690.1.6.0",),
        descr=re.compile(r"\b(?P<release>[A-Z0-9]+_R_\d[\w.]*)"),
    ),
    dialect="uci",
    evidence="The box's own SHA-256 of a second export is that of the text, and the name in it is the box's.",
    features=_FEATURES,
    rollback="scheduled-script",
    keeps_at_once=True,
)


class Teltonika:
    """Implements ``ports.driver.FullDriver`` and ``Archiving``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        problem = FetchIncomplete("never asked")
        for _ in range(_ATTEMPTS):
            result = await shell.execute(uci_session.EXPORT)
            try:
                text, name = uci_session.accepted_export(result.stdout, result.stderr, result.exit_status)
                return Capture(text, name, counted=True)
            except FetchIncomplete as error:
                problem = error
        raise problem

    async def facts(self, shell: Shell) -> Facts:
        board = await _board(shell)
        version = _RELEASE.search(await _value(shell, "cat /etc/version"))
        return Facts(
            hostname=str(board.get("hostname", "")),
            model=await _value(shell, "mnf_info --name") or str(board.get("model", "")),
            serial=await _value(shell, "mnf_info --sn"),
            os_release=version.group() if version else "",
            uptime=await _uptime(shell),
        )

    def parse(self, text: str) -> CpeConfig:
        return uci_model.read(Uci(text), _MOBILE)

    def render(self, current: str, wanted: CpeConfig) -> Script:
        require_features(wanted, SPEC.features, SPEC.family)
        return Script(uci_model.commands(current, wanted, _MOBILE))

    async def apply(self, shell: Shell, script: Script) -> None:
        """All or nothing up to the commit: a refused command leaves the box as it was, so ``untouched`` is then the
        truth wherever in the script it stands. The daemons read committed files only, so what takes effect is kept."""
        commands = script.commands
        try:
            await self._stage(shell, commands)
        except (SessionDropped, DeviceTimeout) as error:
            error.device_state = "unknown"
            raise
        except DeviceError:
            await shell.execute(uci_session.CLEAN)
            raise
        try:
            await _ask(shell, uci_session.commit(commands), "`uci commit`")
            await _ask(shell, uci_session.RELOAD, "`reload_config`")
        except (CommandRefused, FetchIncomplete) as error:
            error.device_state = "changed"
            raise
        except DeviceError as error:
            error.device_state = "unknown"
            raise

    async def _stage(self, shell: Shell, commands: tuple[str, ...]) -> None:
        if pending := (await _ask(shell, uci_session.PENDING, "`uci changes`")).split():
            raise CommandRefused(f"somebody has changes of {pending[0].partition('.')[0].lstrip('-')!r} staged there")
        await shell.execute(uci_session.CLEAN)
        for before, line in uci_session.staging(commands):
            result = await shell.execute(line)
            uci_session.staged(result.stdout, result.stderr, before, commands)

    async def save(self, shell: Shell) -> None:
        """What was applied is in the files already: nothing may be staged beside it, and it has to be on flash."""
        if await _ask(shell, uci_session.PENDING, "`uci changes`"):
            raise CommandRefused("changes are staged that nobody committed")
        await _ask(shell, uci_session.SYNC, "`sync`")

    async def archive(self, shell: Shell) -> Artefact:
        """What ``sysupgrade`` would carry over. It holds ``etc/shadow``, so hashes of the box's own log-in."""
        result = await shell.execute(uci_session.ARCHIVE)
        content, digest = uci_session.accepted_archive(result.stdout, result.stderr)
        return Artefact(f"{SPEC.family}-sysupgrade.tar.gz", "application/gzip", content, digest)


async def _ask(shell: Shell, line: str, what: str) -> str:
    result = await shell.execute(line)
    return uci_session.answer(result.stdout, result.stderr, what)


async def _value(shell: Shell, command: str) -> str:
    """What a command prints, without blanks and the NUL at the ends that device trees have; empty when it fails."""
    result = await shell.execute(command)
    return result.stdout.strip("\0 \t\r\n") if result.exit_status == 0 else ""


async def _uptime(shell: Shell) -> int | None:
    first = (await _value(shell, "cat /proc/uptime")).partition(" ")[0]
    return int(float(first)) if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", first) else None


async def _board(shell: Shell) -> dict[str, object]:
    result = await shell.execute("ubus call system board")
    try:
        board = json.loads(result.stdout)
    except ValueError as error:
        raise FetchIncomplete("the board's description is no JSON") from error
    if not isinstance(board, dict):
        raise FetchIncomplete("the board's description is no JSON object")
    return board


DRIVER: Final = Teltonika()
