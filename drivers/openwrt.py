"""OpenWrt over exec channels: UCI, with a checksum that the device computes itself.

One command line exports the configuration, exports it again into ``sha256sum``, and prints the device's name and the
status of it all. A text is taken when the last line carries status 0, the checksum is the text's own and the name in
the text is the device's. Reading writes nothing on the device.

Changes are staged apart, committed and then announced with ``reload_config``. The language, the model in it and the
judging of answers are in ``cpe_manager.kit.uci*``, since other families are made from OpenWrt.
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
# Drivers of modems on OpenWrt, each a protocol of an interface.
_MODEMS: Final = ("qmi", "mbim", "modemmanager", "ncm", "3g", "wwan")
# Above what any WAN has: the route stands by.
_STANDBY_METRIC: Final = "200"
_FEATURES: Final = frozenset(Feature) - {Feature.TELNET, Feature.TIMER_PROTOCOL, Feature.TIMER_PORT}
"""No Telnet server is built in, and the timers of connection tracking are no part of UCI."""


def _mobile_section(box: Uci) -> Section | None:
    return next((s for s in box.all("network", "interface") if s.text("proto") in _MODEMS), None)


def _read_mobile(box: Uci) -> Mobile | None:
    section = _mobile_section(box)
    if section is None:
        return None
    active = section.on("auto", True) and section.on("defaultroute", True) and not section.on("disabled")
    return attempt(Mobile, section.text("apn"), active, section.text("username"), section.text("password"))


def _write_mobile(edit: Edit, wanted: Mobile | None) -> None:
    if _read_mobile(edit.box) == wanted:
        return
    section = _mobile_section(edit.box)
    if wanted is None:
        if section is not None:
            # The interface stays: what modem is in the box is no matter of configuration. Without an APN it is idle.
            for option in ("apn", "auth", "username", "password"):
                edit.put(section, option, None)
            edit.put(section, "auto", "0")
        return
    if section is None:
        device = "/dev/cdc-wdm0"
        section = edit.add("network", "interface", "mobile", proto="qmi", device=device, metric=_STANDBY_METRIC)
    edit.put(section, "apn", wanted.apn)
    edit.put(section, "username", wanted.username)
    edit.put(section, "password", wanted.password)
    if bool(wanted.username) != (section.text("auth", "none") != "none"):
        edit.put(section, "auth", "both" if wanted.username else None)
    edit.put(section, "auto", None if wanted.active else "0")
    if wanted.active:
        edit.put(section, "metric", section.text("metric", _STANDBY_METRIC))
        for option in ("defaultroute", "disabled"):
            edit.put(section, option, None)
    uci_firewall.zone_takes(edit, section.name, True)


_MOBILE: Final = uci_model.MobileWay(_read_mobile, _write_mobile)

SPEC: Final = Spec(
    family="openwrt",
    title="OpenWrt",
    comment="#",
    volatile=(),
    secrets=tuple(SecretRule(pattern, kind) for kind, pattern in secret_patterns()),
    maturity="lab",
    hostname=uci_session.hostname,
    # Its SNMP agent is net-snmp as on any Linux: sysObjectID 1.3.6.1.4.1.8072.3.2.10 tells nothing.
    recognition=Recognition(
        sys_descr=(re.compile(r"\b(?:OpenWrt|LEDE)\b"),),
        ssh_version=(re.compile(r"^SSH-2\.0-dropbear"),),
        banner=(re.compile(r"\b(?:OpenWrt|LEDE)\b"), re.compile(r"BusyBox v[0-9.]+ .*built-in shell \(ash\)")),
        prompt=(re.compile(r"^root@[\w.-]+:[~/][^\n]*# ?$"),),
    ),
    snmp=SnmpFacts(descr=re.compile(r"\b(?:OpenWrt|LEDE) (?P<release>\S+)")),
    dialect="uci",
    evidence="The box's own SHA-256 of a second export is that of the text, and the name in it is the box's.",
    features=_FEATURES,
    rollback="scheduled-script",
    keeps_at_once=True,
)


class OpenWrt:
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
        release = board.get("release")
        return Facts(
            hostname=str(board.get("hostname", "")),
            model=str(board.get("model", "")),
            # Boards without one in their device tree have no serial number that software could read.
            serial=await _value(shell, "cat /proc/device-tree/serial-number"),
            os_release=str(release.get("version", "")) if isinstance(release, dict) else "",
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


DRIVER: Final = OpenWrt()
