"""FRR on Linux: the whole box as root, or FRR alone through vtysh.

The device option ``vtysh`` says how the account reaches FRR; ``auto`` tries.

- ``linux``: a root shell. The text is a bundle (``cpe_manager.kit.linux.file_bundle``) of FRR's running configuration
  and the files of the other daemons: nftables, dnsmasq, hostapd, pppd, snmpd, sshd. The box computes a checksum of each
  from a second reading. This text carries the neutral model and can be written.
- ``command``: the shell of somebody else. FRR's ``show running-config``, with the box's checksum of a second print.
- ``login``: vtysh is the log-in shell. There is no room for a checksum: then the name in ``show version`` has to be the
  configuration's. Where exec channels are refused, the terminal serves.

FRR's part starts with vtysh's header and ends in ``end``. Without root there is no model: addresses and routes alone
are no CPE, so ``render`` refuses.

Changes: new files are written beside the old ones and tried with the daemons' own checkers; only then they take their
places and the daemons are told. The files are read again after a restart whatever happens; FRR waits for ``save``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from shlex import quote
from typing import Final, NoReturn

from cpe_manager.domain.errors import (
    CommandRefused,
    DeviceError,
    DeviceTimeout,
    FetchIncomplete,
    ForeignText,
    InputError,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature, needed, require_features
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words
from cpe_manager.kit.config_text import after_header, checked, last_lines, values
from cpe_manager.kit.linux import daemon_words, file_bundle, link_words, ports
from cpe_manager.kit.linux import startup as linux_startup
from cpe_manager.kit.linux.box import FRR, Box
from cpe_manager.kit.linux.box import model as model_of
from cpe_manager.kit.linux.change import NEW, commands
from cpe_manager.kit.linux.guard import LIST, Links
from cpe_manager.kit.secret_rules import REST, WORD, patterns
from cpe_manager.ports.driver import Capture, Facts, Guard, Recognition, Script, SecretRule, Spec
from cpe_manager.ports.shell import ExecResult, PromptRules, Shell
from drivers._line_probe import linux_line, linux_way
from drivers._linux_swift import LinuxSwift

_ATTEMPTS: Final = 3
_SHOW, _VERSION = "show running-config", "show version"
_VTYSH: Final = f"vtysh -c '{_SHOW}'"
_COMMAND: Final = f'{_VTYSH} && {_VTYSH} | sha256sum; echo "cpe-manager $?"'
_STARTUP: Final = 'cat /etc/frr/frr.conf; echo "cpe-manager $?"'
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

_SUMS: Final = "# sha256sum"
_FACT_FILES: Final = (
    *("/proc/sys/kernel/hostname", "/proc/uptime", "/sys/class/dmi/id/product_name"),
    *("/sys/class/dmi/id/product_serial", "/proc/device-tree/model", "/proc/device-tree/serial-number"),
)
_FACTS: Final = f"vtysh -c '{_VERSION}'; " + "; ".join(
    f"echo; echo '{file_bundle.FILE}{path}'; cat {path} 2>/dev/null" for path in _FACT_FILES
)

# What changes nothing that anybody reads: new files beside the old ones, and checkers.
_HARMLESS: Final = re.compile(r"umask 0\d\d; |nft -c -f |dnsmasq --test |vtysh -C -f |rm -f \S*cpe-")
_WRITTEN: Final = re.compile(r" >(\S+)$")
_FEATURES: Final = frozenset(Feature) - {Feature.TELNET}
"""In Linux mode. A Telnet server is not part of such a box."""


def _hostname(text: str) -> str | None:
    own = file_bundle.section(text, daemon_words.HOSTNAME)
    return own.strip() if own else next(iter(values(text, "hostname ")), None)


# A word that may be quoted, as pppd and net-snmp read it: the secret itself, and one to pass over.
_QUOTABLE: Final = r"\"?(?P<secret>(?:(?<=\")(?:[^\"\\\n]|\\.)+)|(?:(?<!\")[^\s\"]\S*))"
_SKIPPED: Final = r"(?:\"(?:[^\"\\\n]|\\.)*\"|[^\s\"]\S*)"

SPEC: Final = Spec(
    family="frr_linux",
    title="FRR on Linux",
    comment="!",
    volatile=(),
    secrets=(
        *(
            SecretRule(pattern, "login")
            # In a file of pppd, too, a line may begin with `password`; there it is quoted as a rule.
            for pattern in patterns(rf"^password (?:8 )?(?!\"){REST}", rf"^enable password (?:8 )?{REST}")
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
                rf"^ *(?:PrivateKey|PresharedKey) *= *{WORD}",
                # The body of a key in PEM.
                r"^(?P<secret>[A-Za-z0-9+/]{40,}={0,2})$",
            )
        ),
        *(
            SecretRule(pattern, "snmp")
            for pattern in patterns(
                rf"^agentx community {WORD}",
                rf"^(?:ro|rw)community6? +{WORD}",
                rf"^com2sec6? +(?:-Cn +\S+ +)?\S+ +\S+ +{WORD}",
                rf"^(?:trap2?sink|informsink) +\S+ +{WORD}",
                rf"^trapcommunity +{WORD}",
                rf"^authcommunity +\S+ +{WORD}",
                rf"^(?:trapsess|proxy) .*?-[cAX] *{WORD}",
                rf"^(?:trapsess|proxy) .*-[cAX] *{WORD}",
                rf"^createUser +(?:-e +\S+ +)?\S+ +(?:MD5|SHA\S*) +{_QUOTABLE}",
                rf"^createUser +(?:-e +\S+ +)?\S+ +(?:MD5|SHA\S*) +{_SKIPPED} +(?:DES|AES\S*) +{_QUOTABLE}",
            )
        ),
        *(
            SecretRule(pattern, "wifi")
            for pattern in patterns(
                r"^(?:wpa_passphrase|wpa_psk|sae_password|wep_key[0-3])=(?P<secret>.+)$",
                r"^(?:auth_server_shared_secret|acct_server_shared_secret|private_key_passwd)=(?P<secret>.+)$",
                rf"^[ \t]+(?:wpa-psk|wireless-key1?) {WORD}",
            )
        ),
        *(
            SecretRule(pattern, "ppp")
            for pattern in patterns(
                # chap-secrets and pap-secrets: client, server, secret, addresses.
                rf"^(?:\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')[ \t]+{_SKIPPED}[ \t]+{_QUOTABLE}",
                rf"^[^\s\"'#!]\S*[ \t]+\*[ \t]+{_QUOTABLE}",
                rf"^[^\s\"'#!]\S*[ \t]+\S+[ \t]+{_QUOTABLE}[ \t]+\*[ \t]*$",
                r"^password +\"(?P<secret>(?:[^\"\\\n]|\\.)+)\"",
                r"^APN_PASS=(?P<secret>\S.*)$",
            )
        ),
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
    dialect="lines",
    evidence="The box's own SHA-256 of a second reading is that of each part, and the name in the text is the box's; "
    "as a log-in shell, vtysh's header and end with exit status 0.",
    features=_FEATURES,
    rollback="scheduled-script",
    keeps_at_once=True,
)


class FrrLinux(LinuxSwift):
    """Implements ``ports.driver.FullDriver``, ``Guarded``, ``Replacing``, ``Moving``, ``Restarting``, ``Starting``,
    ``Carrying`` and ``Swift``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        way = shell.options.get("vtysh", "auto")
        if way not in ("auto", "linux", "login", "command"):
            raise CommandRefused(f"device option vtysh={way!r} is none of auto, linux, login, command")
        if way in ("auto", "linux"):
            files = await _files_for_root(shell)
            if files is not None:
                return await _insist(lambda: _whole_box(shell, files))
            if way == "linux":
                raise CommandRefused("the account has no root shell: the files of the other daemons cannot be read")
        try:
            return await _insist(lambda: _by_command(shell, way))
        except CommandRefused:
            # The account may have a terminal and no exec channels; a terminal also tells a refusal in its own words.
            reader = await _by_terminal(shell)
        return await _insist(reader)

    async def facts(self, shell: Shell) -> Facts:
        result = await shell.execute(_VERSION)
        if result.exit_status != 0:
            result = await shell.execute(_FACTS)
        found = _VERSION_NAME.search(result.stdout)
        if found is None:
            raise CommandRefused(f"`{_VERSION}` is not understood")
        said = {path: text.strip("\0 \r\n") for path, text in file_bundle.sections(result.stdout).items()}
        host, uptime, model, serial, board, board_serial = (said.get(path, "") for path in _FACT_FILES)
        seconds = re.match(r"[0-9]+", uptime)
        return Facts(
            hostname=host or found["name"],
            model=model or board,
            serial=serial or board_serial,
            os_release=found["release"],
            uptime=int(seconds[0]) if seconds else None,
        )

    async def startup(self, shell: Shell, running: str) -> str | None:
        """All files but FRR's are what the daemons start from; FRR's is compared line by line, without separators. None
        without root: then nobody lets us read that file."""
        if not running.startswith(f"{FRR}\n"):
            return None
        result = await shell.execute(_STARTUP)
        printed, mark, status = result.stdout.rpartition(_MARK)
        if not mark or status.strip() != "0":
            _refuse(result)
        return linux_startup.as_read(running, FRR, printed)

    async def line(self, shell: Shell, text: str) -> LineState:
        box = Box.read(text)
        dialled = link_words.peer_value(box.files, link_words.pppoe_peer(box.files), "user")
        return await linux_line(shell, box.ppp if dialled else box.nic)

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        box = Box.read(text)
        ways = {box.mobile: Carrier.MOBILE, box.nic: Carrier.FIXED, box.ppp: Carrier.FIXED}
        return ways.get(await linux_way(shell))

    def parse(self, text: str) -> CpeConfig:
        return model_of(Box.read(text))

    def render(self, current: str, wanted: CpeConfig) -> Script:
        if not current.startswith(f"{FRR}\n"):
            named = ", ".join(sorted(needed(wanted))) or "anything"
            raise InputError(f"{SPEC.family} without root holds FRR's configuration alone and cannot carry: {named}")
        require_features(wanted, SPEC.features, SPEC.family)
        return Script(tuple(commands(Box.read(current), wanted)))

    def links(self, text: str) -> Links:
        box = Box.read(text)
        found = model_of(box)
        files = box.files
        sides = (link_words.pppoe_peer(files), found.wan), (link_words.dialled_mobile(files), found.mobile)
        dialled = tuple(p.rpartition("/")[2] for p, side in sides if p and link_words.dialled(side))
        own = link_words.QMI in files and link_words.brought_up(files, box.mobile)
        return Links(box.nic, dialled, box.mobile if own else "")

    def interfaces(self, text: str) -> Interfaces:
        box = Box.read(text)
        return ports.interfaces(text, box.nic, box.lan)

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        del present
        return interface_words.renamed(text, names)

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """Up to the first file that takes its place the box is ``untouched``, whatever was refused."""
        del guard  # it was armed before
        state = "untouched"
        try:
            for command in script.commands:
                result = await shell.execute(command)
                # A command that the shell does not find has done nothing.
                if not _HARMLESS.match(command) and result.exit_status != 127:
                    state = "changed"
                _judge(command, result)
        except (SessionDropped, DeviceTimeout) as error:
            error.device_state = "unknown"
            raise
        except DeviceError as error:
            error.device_state = "changed" if state == "changed" else "untouched"
            written = [found[1] for command in script.commands if (found := _WRITTEN.search(command))]
            if written and state == "untouched":
                await shell.execute(f"rm -f {' '.join(written)}")
            raise

    async def save(self, shell: Shell) -> None:
        """FRR writes its file; all others are written."""
        result = await shell.execute("vtysh -c 'write memory' && sync")
        if result.exit_status is None or "[OK]" not in result.stdout:
            _refuse(result)


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


async def _files_for_root(shell: Shell) -> list[str] | None:
    """The files that the box has; None where commands are not run by a shell, or not by root."""
    try:
        result = await shell.execute(LIST)
    except CommandRefused:
        return None
    uid, *names = result.stdout.split("\n")
    if uid != "0" or f"{_MARK}0" not in names:
        return None
    return sorted({name for name in names if name.startswith("/") and not name.endswith(("/", "~", ".bak"))})


async def _whole_box(shell: Shell, files: list[str]) -> Capture:
    """FRR and every file, each with the checksum that the box computes from another reading."""
    parts = [f"echo '{FRR}' && {_VTYSH} && echo"]
    parts += [f"echo {quote(file_bundle.FILE + path)} && cat {quote(path)} && echo" for path in files]
    named = " ".join(quote(path) for path in files)
    sums = f"echo '{_SUMS}' && {_VTYSH} | sha256sum && {f'sha256sum {named} && ' if files else ''}uname -n"
    result = await shell.execute(f'{" && ".join((*parts, sums))}; echo "cpe-manager $?"')
    printed, found, end = result.stdout.rpartition(f"\n{_SUMS}\n")
    lines = end.splitlines()
    if not found or len(lines) != len(files) + 3 or lines[-1] != f"{_MARK}0" or result.exit_status != 0:
        if result.exit_status != 0 or (lines and lines[-1].startswith(_MARK) and lines[-1] != f"{_MARK}0"):
            _refuse(result)
        raise FetchIncomplete("the end mark behind the configuration is missing")
    digests = {name: line.partition(" ")[0] for name, line in zip((FRR, *files), lines, strict=False)}
    (_, frr), *rest = file_bundle.counted(printed, digests)
    text = checked(file_bundle.joined([(FRR, _accepted(frr, "").text), *rest]))
    name, own = lines[-2].strip(), _hostname(text)
    if own != name:
        raise ForeignText(f"the configuration is of {own or 'a nameless device'}, not of {name}")
    return Capture(text, name, counted=True)


def _judge(command: str, result: ExecResult) -> None:
    """Raises for a command that the box refused. Its values are not named: they may be secret."""
    written = _WRITTEN.search(command)
    what = f"writing {written[1].replace(NEW, '')}" if written else f"`{' '.join(command.split()[:3])}`"
    if result.exit_status is None:
        raise FetchIncomplete(f"{what} ended without an exit status")
    said = (result.stderr.strip() or result.stdout.strip()).partition("\n")[0][:200]
    # vtysh goes on after a line that was refused, and not every refusal shows in its status; good lines print nothing.
    if result.exit_status != 0 or (said and command.startswith("vtysh -f ")):
        raise CommandRefused(f"{what}: status {result.exit_status}: {'' if written else said or 'no reason given'}")


DRIVER: Final = FrrLinux()
