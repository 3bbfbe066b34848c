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
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from shlex import quote
from typing import Final, NoReturn

from cpe_manager.domain.cpe_config import CpeConfig, Firewall, Lan, Management, PortMapping, StaticRoute, Wan
from cpe_manager.domain.cpe_features import Feature, needed, require_features
from cpe_manager.domain.errors import (
    CommandRefused,
    DeviceError,
    DeviceTimeout,
    FetchIncomplete,
    ForeignText,
    InputError,
    SessionDropped,
)
from cpe_manager.domain.interface_names import Interfaces
from cpe_manager.domain.probes import LineState
from cpe_manager.domain.requirements import is_label
from cpe_manager.kit import interface_words
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.config_text import after_header, checked, last_lines, values
from cpe_manager.kit.linux import daemon_words, file_bundle, link_words, nft_table, ports
from cpe_manager.kit.linux import startup as linux_startup
from cpe_manager.kit.linux.file_bundle import Files
from cpe_manager.kit.linux.guard import LIST, PRIVATE, Links
from cpe_manager.kit.secret_rules import REST, WORD, patterns
from cpe_manager.ports.driver import Capture, Facts, Guard, Recognition, Script, SecretRule, Spec
from cpe_manager.ports.shell import ExecResult, PromptRules, Shell
from drivers._line_probe import linux_line
from drivers._linux_guard import FRR, LinuxGuard

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

_NFT, _NFT_MAIN = "/etc/nftables.d/cpe.nft", "/etc/nftables.conf"
_NO_TABLE: Final = nft_table.Table((), Firewall("accept"))
_NFT_INCLUDE: Final = 'include "/etc/nftables.d/*.nft"'
# Debian's start script and unit both look for it.
_NO_SSH: Final = "/etc/ssh/sshd_not_to_be_run"
# What daemons have not been told yet of files that are in their places: it is left behind by a session that was cut.
_FRR_CHANGES, _TODO = "/run/cpe-manager.frr", "/run/cpe-manager.todo"
_NEW: Final = ".cpe-new."
# What changes nothing that anybody reads: new files beside the old ones, and checkers.
_HARMLESS: Final = re.compile(r"umask 0\d\d; |nft -c -f |dnsmasq --test |vtysh -C -f |rm -f \S*cpe-")
_WRITTEN: Final = re.compile(r" >(\S+)$")
_DEFAULT: Final = re.compile(r"ip route 0\.0\.0\.0/0 (\S+)(?: ([0-9]+))?")
_ROUTE: Final = re.compile(r"ip route ([0-9./]+) ([0-9.]+)(?: ([0-9]+))?")
_STANDBY_DISTANCE: Final = 200
_FEATURES: Final = frozenset(Feature) - {Feature.TELNET, Feature.MOBILE_PREFERRED, Feature.MOBILE_BARRED}
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


class FrrLinux(LinuxGuard):
    """Implements ``ports.driver.FullDriver``, ``Guarded``, ``Replacing`` and ``Starting``."""

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
        box = _Box.read(text)
        dialled = link_words.peer_value(box.files, link_words.pppoe_peer(box.files), "user")
        return await linux_line(shell, box.ppp if dialled else box.nic)

    def parse(self, text: str) -> CpeConfig:
        return _model(_Box.read(text))

    def render(self, current: str, wanted: CpeConfig) -> Script:
        if not current.startswith(f"{FRR}\n"):
            named = ", ".join(sorted(needed(wanted))) or "anything"
            raise InputError(f"{SPEC.family} without root holds FRR's configuration alone and cannot carry: {named}")
        require_features(wanted, SPEC.features, SPEC.family)
        return Script(tuple(_commands(_Box.read(current), wanted)))

    def links(self, text: str) -> Links:
        box = _Box.read(text)
        found = _model(box)
        sides = (link_words.pppoe_peer(box.files), found.wan), (link_words.mobile_peer(box.files), found.mobile)
        return Links(box.nic, tuple(p.rpartition("/")[2] for p, side in sides if p and link_words.dialled(side)))

    def interfaces(self, text: str) -> Interfaces:
        box = _Box.read(text)
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
    what = f"writing {written[1].replace(_NEW, '')}" if written else f"`{' '.join(command.split()[:3])}`"
    if result.exit_status is None:
        raise FetchIncomplete(f"{what} ended without an exit status")
    said = (result.stderr.strip() or result.stdout.strip()).partition("\n")[0][:200]
    # vtysh goes on after a line that was refused, and not every refusal shows in its status; good lines print nothing.
    if result.exit_status != 0 or (said and command.startswith("vtysh -f ")):
        raise CommandRefused(f"{what}: status {result.exit_status}: {'' if written else said or 'no reason given'}")


@dataclass(frozen=True, slots=True)
class _Box:
    """A box's text, cut up. ``interfaces`` are FRR's with their lines, ``top`` its lines outside any block. ``nic`` is
    the Ethernet towards the provider, ``ppp`` the link upon it when there is a log-in."""

    files: Files
    interfaces: dict[str, list[str]]
    top: list[str]
    nic: str
    ppp: str
    lan: str
    mobile: str

    @classmethod
    def read(cls, text: str) -> _Box:
        parts = file_bundle.sections(text)
        files = Files({path: body for path, body in parts.items() if path.startswith("/")})
        interfaces: dict[str, list[str]] = {}
        top: list[str] = []
        block: list[str] = []
        for line in parts.get(FRR, parts[""]).splitlines():
            if line.startswith(" "):
                block.append(line.strip())
                continue
            words = line.split()
            block = interfaces.setdefault(words[1], []) if words[:1] == ["interface"] and len(words) == 2 else []
            top.append(line)
        peer = link_words.pppoe_peer(files)
        lan = daemon_words.lan_interface(files) or daemon_words.usual_lan(interfaces)
        nic = link_words.pppoe_nic(files, peer) or link_words.dhcp_client(files, lan)
        nic = nic or _nic_by_route(interfaces, top, lan)
        units = link_words.ppp_unit(files, peer, 0), link_words.ppp_unit(files, link_words.mobile_peer(files), 1)
        return cls(files, interfaces, top, nic, units[0], lan, units[1])

    def addresses(self, name: str) -> list[IPv4Interface]:
        return _addresses(self.interfaces.get(name, []))

    def defaults(self) -> list[tuple[str, str]]:
        """Default routes: each line with the gateway or interface in it."""
        return [(line, found[1]) for line in self.top if (found := _DEFAULT.fullmatch(line))]

    @property
    def ssh_port(self) -> int:
        found = re.search(r"^Port ([0-9]{1,5})\b", self.files.text("/etc/ssh/sshd_config"), re.MULTILINE)
        return int(found[1]) if found else 22


def _addresses(lines: Iterable[str]) -> list[IPv4Interface]:
    words = (line.split() for line in lines)
    found = (attempt(IPv4Interface, w[2]) for w in words if w[:2] == ["ip", "address"] and len(w) == 3)
    return [address for address in found if address]


def _nic_by_route(interfaces: dict[str, list[str]], top: list[str], lan: str) -> str:
    """The interface that the default route's gateway is on; by its usual names where there is none."""
    gateways = [attempt(IPv4Address, found[1]) for line in top if (found := _DEFAULT.fullmatch(line))]
    for name, lines in interfaces.items():
        networks = [address.network for address in _addresses(lines)]
        if name != lan and any(gateway in network for gateway in gateways if gateway for network in networks):
            return name
    return next((name for name in ("wan0", "wan", "eth0") if name in interfaces), "eth0")


def _model(box: _Box) -> CpeConfig:
    files = box.files
    name = (daemon_words.read_name(files) or next(iter(values("\n".join(box.top), "hostname ")), "")).partition(".")[0]
    table = nft_table.read(files.text(_NFT)) or _NO_TABLE
    lan = _read_lan(box)
    return CpeConfig(
        hostname=name if is_label(name) else "localhost",
        wan=_read_wan(box),
        lan=lan,
        dhcp=daemon_words.read_dhcp(files, lan),
        wifi=link_words.read_wifi(files),
        port_mappings=_first_of_each(table.mappings),
        firewall=table.firewall,
        routes=_read_routes(box),
        mobile=link_words.read_mobile(files, any(target == box.mobile for _, target in box.defaults())),
        snmp=daemon_words.read_snmp(files),
        management=Management(table.sources, ssh=_NO_SSH not in files),
        dns=daemon_words.read_dns(files),
    )


def _first_of_each(mappings: Iterable[PortMapping]) -> tuple[PortMapping, ...]:
    """Of mappings of the same port the first counts, as in the kernel."""
    kept: list[PortMapping] = []
    for new in mappings:
        taken = [m.ports for m in kept if m.protocol == new.protocol]
        if not any(ports.first <= new.ports.last and new.ports.first <= ports.last for ports in taken):
            kept.append(new)
    return tuple(kept)


def _read_lan(box: _Box) -> Lan | None:
    """The private address comes first: the other one is an IP pack's."""
    own = sorted(box.addresses(box.lan), key=lambda address: not address.is_private)
    return attempt(Lan, own[0]) if own else None


def _read_pack(box: _Box) -> IPv4Network | None:
    public = [address for address in box.addresses(box.lan) if not address.is_private]
    return next((a.network for a in public if 27 <= a.network.prefixlen <= 30 and _is_first(a)), None)


def _is_first(address: IPv4Interface | IPv6Interface) -> bool:
    return int(address.ip) == int(address.network.network_address) + 1


def _read_ipv6(box: _Box) -> tuple[IPv6Network | None, IPv6Address | None]:
    """The block whose first /64 is on the LAN, and the customer's router that its second half goes to."""
    words = (line.split() for line in box.interfaces.get(box.lan, []))
    found = (attempt(IPv6Interface, w[2]) for w in words if w[:2] == ["ipv6", "address"] and len(w) == 3)
    for own in (address for address in found if address and address.network.prefixlen == 64):
        block = IPv6Network((own.network.network_address, 56), strict=False)
        if own.ip == block.network_address + 1 and not own.is_link_local:
            start = f"ipv6 route {list(block.subnets(new_prefix=57))[1]} "
            routers = (attempt(IPv6Address, line[len(start) :]) for line in box.top if line.startswith(start))
            return block, next((router for router in routers if router), None)
    return None, None


def _read_wan(box: _Box) -> Wan | None:
    extras = (*_read_ipv6(box), _read_pack(box))
    peer = link_words.pppoe_peer(box.files)
    if user := link_words.peer_value(box.files, peer, "user"):
        password = link_words.password_of(box.files, user)
        return attempt(Wan, "pppoe", link_words.peer_address(box.files, peer), None, user, password, *extras)
    if link_words.dhcp_client(box.files, box.lan) == box.nic:
        return attempt(Wan, "dhcp", None, None, "", "", *extras)
    for gateway in (attempt(IPv4Address, target) for _, target in box.defaults()):
        for own in box.addresses(box.nic):
            if gateway is not None and gateway in own.network:
                return attempt(Wan, "static", own, gateway, "", "", *extras)
    return None


def _read_routes(box: _Box) -> tuple[StaticRoute, ...]:
    found: dict[tuple[str, str], StaticRoute] = {}
    for match in (_ROUTE.fullmatch(line) for line in box.top):
        if match and (made := attempt(_static_route, *match.groups())):
            found.setdefault((match[1], match[2]), made)
    return tuple(found.values())


def _static_route(network: str, gateway: str, distance: str | None) -> StaticRoute:
    return StaticRoute(IPv4Network(network), IPv4Address(gateway), int(distance or 1))


def _commands(box: _Box, wanted: CpeConfig) -> Iterator[str]:
    """What is typed, in three parts: new files and their checks, files in their places, daemons told."""
    found, files = _model(box), box.files
    left = files.lines(_TODO)
    if found == wanted and not left:
        return
    _refuse_what_cannot_be(wanted)
    _write_files(box, found, wanted)
    frr = list(_frr_lines(box, found, wanted))
    changed = files.changed()
    for path in changed:
        mask = "077" if path.startswith(PRIVATE) else "022"
        folder, _, _ = path.rpartition("/")
        fresh = _beside(path)
        written = file_bundle.printed_line(fresh, files.text(path))
        # The copy keeps owner and mode of what is there.
        yield f"umask {mask}; mkdir -p {folder}; cp -p {quote(path)} {quote(fresh)} 2>/dev/null; {written}"
        if path == _NFT:
            yield f"nft -c -f {fresh}"
        if re.fullmatch(daemon_words.DNSMASQ, path):
            yield f"dnsmasq --test -C {quote(fresh)}"
    if frr:
        yield "umask 077; " + file_bundle.printed_line(_FRR_CHANGES, "\n".join(frr))
        yield f"vtysh -C -f {_FRR_CHANGES}"
    told = list(_told(box, found, wanted))
    told = [*(command for command in left if command not in told), *told]
    if told:
        yield "umask 022; " + file_bundle.printed_line(_TODO, "\n".join(told))
    if _asks(found) and not _asks(wanted):
        # As long as the file says what is to be ended.
        yield f"ifdown {box.nic}"
    if changed:
        yield " && ".join(f"mv -f {quote(_beside(path))} {quote(path)}" for path in changed)
    for path in files.removed():
        yield f"rm -f {quote(path)}"
    # The firewall comes before the addresses, so that nothing new is open for a moment.
    early = [command for command in told if command.startswith(("hostname ", "nft -f ", "ifup "))]
    yield from early
    if frr:
        yield f"vtysh -f {_FRR_CHANGES}"
    yield from (command for command in told if command not in early)
    yield f"rm -f {_FRR_CHANGES} {_TODO}"


def _beside(path: str) -> str:
    """Where a file's next content waits: no daemon reads names that begin with a dot."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{_NEW}{name}"


def _refuse_what_cannot_be(wanted: CpeConfig) -> None:
    wan, mobile = wanted.wan, wanted.mobile
    if wan and wan.ip_pack and (wanted.lan is None or not wanted.lan.address.is_private):
        raise InputError("an IP pack needs a LAN with a private address beside it")
    if wan and mobile and wan.username and wan.username == mobile.username and wan.password != mobile.password:
        raise InputError("one user name has two passwords, on the fixed line and on the mobile one")


def _write_files(box: _Box, found: CpeConfig, wanted: CpeConfig) -> None:
    files = box.files
    if found.hostname != wanted.hostname:
        daemon_words.write_name(files, wanted.hostname)
    users = [side.username for side in (found.wan, found.mobile) if side]
    if (found.wan, found.mobile) != (wanted.wan, wanted.mobile):
        wan = wanted.wan
        link_words.write_pppoe(files, box.nic, wan.username if wan else "", _insisted(wan))
        if _asks(found) != _asks(wanted):
            link_words.write_dhcp_client(files, box.nic, _asks(wanted))
        link_words.write_mobile(files, wanted.mobile)
        logins = {side.username: side.password for side in (wanted.wan, wanted.mobile) if side and side.username}
        link_words.write_passwords(files, users, logins)
    if wanted.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (wanted.lan, wanted.dhcp))
    elif found.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (found.lan, None))
    daemon_words.write_dns(files, wanted.dns)
    if wanted.dhcp or wanted.dns:
        daemon_words.serve_on(files, box.lan)
    link_words.write_wifi(files, wanted.wifi)
    daemon_words.write_snmp(files, wanted.snmp)
    _write_table(box, wanted)
    if found.management.ssh != wanted.management.ssh:
        if wanted.management.ssh:
            files.remove(_NO_SSH)
        else:
            files.write(_NO_SSH, "")


def _asks(config: CpeConfig) -> bool:
    """Whether the line's address comes by DHCP."""
    return config.wan is not None and config.wan.mode == "dhcp"


def _insisted(wan: Wan | None) -> IPv4Interface | None:
    return wan.address if wan and wan.mode == "pppoe" else None


def _write_table(box: _Box, wanted: CpeConfig) -> None:
    files = box.files
    table = nft_table.Table(
        outside=tuple(sorted({box.nic, box.ppp, box.mobile})),
        firewall=wanted.firewall,
        mappings=wanted.port_mappings,
        sources=wanted.management.sources,
        pack=wanted.wan.ip_pack if wanted.wan else None,
        door=box.ssh_port,
        snmp=bool(wanted.snmp.communities),
    )
    # A box without our table has other people's rules: it gets ours only when there is something to say.
    before = nft_table.read(files.text(_NFT)) or replace(
        _NO_TABLE, outside=table.outside, door=table.door, snmp=table.snmp
    )
    if replace(before, outside=tuple(sorted(before.outside))) == table:
        return
    files.write(_NFT, nft_table.write(table))
    if not re.search(r'^include "/etc/nftables\.d/', files.text(_NFT_MAIN), re.MULTILINE):
        rules = files.text(_NFT_MAIN) or "#!/usr/sbin/nft -f\nflush ruleset\n"
        files.write(_NFT_MAIN, f"{rules}{_NFT_INCLUDE}\n")


def _frr_lines(box: _Box, found: CpeConfig, wanted: CpeConfig) -> Iterator[str]:
    """FRR's part, as its configuration mode takes it: what goes first, then what comes."""
    old, new = set(_top_lines(box, found)), list(_top_lines(box, wanted))
    yield from (f"no {line}" for line in box.top if line in old and line not in new)
    for name in dict.fromkeys((box.nic, box.lan)):
        present = box.interfaces.get(name, [])
        before, after = list(_interface_lines(box, name, found)), list(_interface_lines(box, name, wanted))
        gone = [line for line in before if line in present and line not in after]
        come = [line for line in after if line not in present]
        # Without its address FRR may have forgotten a prefix by the time that it is told to.
        gone.sort(key=lambda line: not line.startswith("ipv6 nd prefix"))
        if gone or come:
            yield f"interface {name}"
            yield from (f" {line.removeprefix('no ') if line.startswith('no ') else f'no {line}'}" for line in gone)
            yield from (f" {line}" for line in come)
            yield "exit"
    if wanted.wan and wanted.wan.ipv6_prefix and "no ipv6 forwarding" in box.top:
        yield "ipv6 forwarding"
    yield from (line for line in new if line not in box.top)


def _top_lines(box: _Box, config: CpeConfig) -> Iterator[str]:
    """The routes of a configuration; default routes as they stand there, when they lead to the same place."""
    standing = {target: line for line, target in box.defaults()}

    def default(target: str, distance: str) -> str:
        return standing.get(target, f"ip route 0.0.0.0/0 {target}{distance}")

    wan = config.wan
    if wan and wan.mode == "static":
        yield default(str(wan.gateway), "")
    elif wan and wan.mode == "pppoe":
        # Over DHCP the route comes with the address, into the kernel's table.
        yield default(box.ppp, "")
        if wan.ipv6_prefix:
            yield f"ipv6 route ::/0 {box.ppp}"
    if wan and wan.ipv6_router:
        yield f"ipv6 route {wan.routed_ipv6} {wan.ipv6_router}"
    if config.mobile and config.mobile.active:
        yield default(box.mobile, f" {_STANDBY_DISTANCE}")
    for route in config.routes:
        yield f"ip route {route.network} {route.gateway}" + (f" {route.distance}" if route.distance > 1 else "")


def _interface_lines(box: _Box, name: str, config: CpeConfig) -> Iterator[str]:
    wan = config.wan
    if name == box.nic and wan and wan.mode == "static":
        yield f"ip address {wan.address}"
    if name != box.lan:
        return
    if config.lan:
        yield f"ip address {config.lan.address}"
    if wan and wan.ip_pack:
        yield f"ip address {wan.ip_pack_address}"
    if wan and (own := wan.lan_ipv6):
        yield from (f"ipv6 address {own}", f"ipv6 nd prefix {own.network}", "no ipv6 nd suppress-ra")


def _told(box: _Box, found: CpeConfig, wanted: CpeConfig) -> Iterator[str]:
    """Each daemon whose part has changed, in commands that may be given twice."""
    files = box.files
    changed = {*files.changed(), *files.removed()}
    if daemon_words.HOSTNAME in changed:
        yield f"hostname {wanted.hostname}"
    if _NFT in changed:
        yield f"nft -f {_NFT}"
    if _asks(found) and not _asks(wanted):
        yield f"ifup {box.nic}"
    if _asks(wanted) and not _asks(found):
        # In the background: whether and when there is an answer is the line's matter.
        yield f"ifdown --force {box.nic} >/dev/null 2>&1 || true"
        yield f"start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- {box.nic}"
    for pattern, service in (
        (daemon_words.DNSMASQ, "dnsmasq"),
        (link_words.HOSTAPD, "hostapd"),
        (re.escape(daemon_words.SNMPD), "snmpd"),
    ):
        if any(re.fullmatch(pattern, path) for path in changed):
            yield f"service {service} restart"
    for peer, before, after in (
        (link_words.pppoe_peer(files), link_words.dialled(found.wan), link_words.dialled(wanted.wan)),
        (link_words.mobile_peer(files), link_words.dialled(found.mobile), link_words.dialled(wanted.mobile)),
    ):
        if peer and before != after:
            provider = quote(peer.rpartition("/")[2])
            # Nothing to hang up is no failure.
            yield f"poff {provider} >/dev/null 2>&1; pon {provider}" if after else f"poff {provider} || true"
    if _NO_SSH in changed:
        yield f"service ssh {'start' if wanted.management.ssh else 'stop'}"


DRIVER: Final = FrrLinux()
