"""How a Linux router goes back to what it was, or on to what was stored: shell lines and the script that does it. Pure.

A folder that only root can read holds copies of the managed files and of FRR's running configuration, and a script
that puts them in their places and tells the daemons whose files were others. A timer runs the script while the box is
up (``systemd-run``; without systemd a detached shell that sleeps), and the next boot runs it: with systemd before any
daemon has started, without it as cron's ``@reboot``. The last thing that it does is to take itself away, so that a
power cut on the way leads to another try.

The folder comes and goes whole, in one rename: it is made under a name that is its maker's alone, and there is a
promise exactly while it has its own name. Who finds that name taken has lost, and takes nothing away but what he made
himself.

FRR goes back by ``frr-reload.py`` where the box has that, else by a restart with the kept text as its file. FRR that
ends leaves its addresses in the kernel, and who starts takes what it finds there for somebody else's: those that it ran
and is to run no longer are taken away before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from shlex import quote
from typing import Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete
from cpe_manager.kit.redaction import REMOVED

PLACES: Final = (
    *("/etc/hostname", "/etc/hosts", "/etc/nftables.conf", "/etc/nftables.d/*.nft", "/etc/dnsmasq.conf"),
    *("/etc/dnsmasq.d/*", "/etc/hostapd/*.conf", "/etc/ppp/peers/*", "/etc/ppp/chap-secrets"),
    *("/etc/ppp/pap-secrets", "/etc/snmp/snmpd.conf", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"),
    *("/etc/ssh/sshd_not_to_be_run", "/etc/network/interfaces", "/etc/network/interfaces.d/*"),
    *("/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/etc/wireguard/*.conf", "/etc/frr/daemons"),
    "/etc/qmi-network.conf",
    "/run/cpe-manager.todo",
)
"""What a CPE made of Debian keeps its configuration in; what is not there is not asked for."""
LIST: Final = f'id -u; ls -dp {" ".join(PLACES)} 2>/dev/null; echo "cpe-manager 0"'
PRIVATE: Final = ("/etc/ppp/", "/etc/hostapd/", "/etc/snmp/", "/etc/wireguard/", "/etc/qmi-network.conf")
"""Files that hold secrets, and folders whose files do."""

KEPT: Final = "/var/lib/cpe-manager"
"""The way back. On flash, so that it is there after a restart."""
MADE: Final = f"{KEPT}.arm"
"""Behind it stands the token: a way back that is being made."""
STORE, READY = f"{KEPT}.swift", "/run/cpe-manager.swift"
"""What was prepared for a swift change, a name of its own behind each: on flash what becomes the way back, and what a
restart is to lose."""
_GONE: Final = f"{KEPT}.gone"
INCOMING: Final = "/run/cpe-manager.new"
"""A configuration that is on its way in."""
_MARK: Final = "cpe-manager "
_HEAD: Final = "# cpe-manager "
_END: Final = 'echo "cpe-manager $?"'
_NOTE: Final = re.compile(r"^# cpe-manager ([0-9a-z]+)$", re.MULTILINE)
_TIMER: Final = "cpe-manager-undo"
_UNIT: Final = "/etc/systemd/system/cpe-manager-boot.service"
_WANTED: Final = "/etc/systemd/system/sysinit.target.wants"
_LINK: Final = f"{_WANTED}/cpe-manager-boot.service"
_CRON: Final = "/etc/cron.d/cpe-manager"
_PID: Final = "/run/cpe-manager.pid"
_RELOAD: Final = "/usr/lib/frr/frr-reload.py"
_SHOW: Final = "vtysh -c 'show running-config no-header'"
_FRR_CONF: Final = "/etc/frr/frr.conf"
_ADDRESSES: Final = """awk '$1 == "interface" { on = $2 } /^ ip(v6)? address / { print on, $3 }'"""
"""Interface and address of each that FRR's text has, a line for each."""
_TABLE: Final = "/etc/nftables.d/cpe.nft"
_NO_SSH: Final = "/etc/ssh/sshd_not_to_be_run"
# Whose files they are: who has to be told when one of them is another.
_OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "table": (_TABLE,),
    "rules": ("/etc/nftables.conf", "/etc/nftables.d/*.nft"),
    "dnsmasq": ("/etc/dnsmasq.conf", "/etc/dnsmasq.d/*"),
    "hostapd": ("/etc/hostapd/*.conf",),
    "snmpd": ("/etc/snmp/snmpd.conf",),
    "ppp": ("/etc/ppp/peers/*", "/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets"),
    "link": ("/etc/network/interfaces", "/etc/network/interfaces.d/*"),
    "modem": ("/etc/qmi-network.conf",),
    "ssh": ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf", _NO_SSH),
    "sysctl": ("/etc/sysctl.conf", "/etc/sysctl.d/*.conf"),
    "wireguard": ("/etc/wireguard/*.conf",),
    "daemons": ("/etc/frr/daemons",),
}
_CHUNK: Final = 16_000

INIT: Final = '[ -d /run/systemd/system ] && echo systemd || ls /run/crond.pid 2>/dev/null; echo "cpe-manager 0"'
"""Who starts things on that box."""
NAMES: Final = f"ls -dp {' '.join(PLACES)} 2>/dev/null"
ARMED: Final = f'cat {KEPT}/undo 2>/dev/null; ls -d {KEPT}/undo 2>/dev/null; echo "cpe-manager 0"'
_TAKE_UP: Final = (
    f"systemctl stop {_TIMER}.timer 2>/dev/null; "
    f"start-stop-daemon --stop --quiet --pidfile {_PID} >/dev/null 2>&1; "
    f"rm -rf {_GONE}; mv -T {KEPT} {_GONE} 2>/dev/null || rm -rf {KEPT}; rm -rf {KEPT}.* {READY}.*; "
    f"rm -f {_LINK} {_UNIT} {_CRON} {_PID}; systemctl daemon-reload 2>/dev/null; sync"
)
GO_BACK: Final = f'setsid -w sh {KEPT}/undo </dev/null >/dev/null 2>&1; [ ! -e {KEPT}/undo ]; echo "cpe-manager $?"'
"""In a session of its own, for going back may cut ours."""


def disarm(token: str) -> str:
    """The shell line that takes up the way back of that token, or what is left of any; another's is refused."""
    ours = f"head -n 1 {KEPT}/undo | grep -qxF '{_HEAD}{token}'"
    return f"[ ! -e {KEPT}/undo ] || {ours} && sh -c '{_TAKE_UP}'; [ ! -e {KEPT}/undo ]; {_END}"


APART: Final = "/run/cpe-manager.apart"
"""A script that the box works off by itself."""
WORK_OFF: Final = f"setsid -f sh -c 'sleep 1; sh {APART}' </dev/null >/dev/null 2>&1; echo \"cpe-manager $?\""
"""In a session of its own, a moment later: our own may end by that."""
REBOOT: Final = "sync; setsid -f sh -c 'sleep 1; reboot' </dev/null >/dev/null 2>&1; echo \"cpe-manager $?\""
GO_ON: Final = (
    f"setsid -w sh {INCOMING}/undo </dev/null >/dev/null 2>&1; cat {INCOMING}/failed 2>/dev/null; "
    f'[ ! -e {INCOMING}/failed ]; echo "cpe-manager $?"; rm -rf {INCOMING}'
)
_BOOT_UNIT: Final = f"""\
[Unit]
Description=Take back a configuration that nobody confirmed
DefaultDependencies=no
RequiresMountsFor={KEPT}
ConditionPathExists={KEPT}/undo
After=local-fs.target
Before=sysinit.target network-pre.target nftables.service systemd-sysctl.service

[Service]
Type=oneshot
ExecStart=/bin/sh {KEPT}/undo boot

[Install]
WantedBy=sysinit.target
"""


@dataclass(frozen=True, slots=True)
class Links:
    """What is to be up once a configuration is in its place: the interface towards the provider, the providers that
    are dialled (names below /etc/ppp/peers), and a modem's own interface where ifupdown starts that."""

    nic: str
    dialled: tuple[str, ...] = ()
    modem: str = ""


def answer(stdout: str, stderr: str, what: str) -> str:
    """What a line with a mark printed before it. Raises ``CommandRefused`` for any status but 0, ``FetchIncomplete``
    when the mark is missing."""
    printed, mark, status = stdout.rpartition(_MARK)
    if not mark or not status.strip().isdecimal():
        raise FetchIncomplete(f"{what}: the end mark is missing")
    if status.strip() != "0":
        reason = (stderr.strip() or printed.strip()).partition("\n")[0][:200]
        raise CommandRefused(f"{what} ended with status {status.strip()}: {reason or 'no reason given'}")
    return printed


def token_of(printed: str) -> str | None:
    """Judge the answer to ``ARMED``: the token; empty when it is not one of ours, None when there is none."""
    if not printed.strip():
        return None
    found = _NOTE.search(printed)
    return found.group(1) if found else ""


def keeping(files: Sequence[str], folder: str, before: str) -> str:
    """The shell line that keeps copies of the files and of what FRR runs, and prints the checksums of both readings.
    ``before``: a pattern of what was left by those that did the same, and is cleared away."""
    copies = [f"cp -p {quote(path)} {folder}/{number}" for number, path in enumerate(files)]
    sums = "; ".join(f"{_summed(owner)} >{folder}/sum.{owner}" for owner in _OWNERS)
    ours = " ".join(f"{folder}/{number}" for number in range(len(files)))
    theirs = " ".join(map(quote, files))
    return (
        f"umask 077; rm -rf {before}; mkdir -p {folder}; cp -p {_FRR_CONF} {folder}/frr.conf 2>/dev/null; "
        f"{NAMES} >{folder}/names; {sums}; "
        f"{_SHOW} >{folder}/frr && {' && '.join(copies)} && sha256sum {folder}/frr {ours} && {_SHOW} | sha256sum && "
        f'sha256sum {theirs}; echo "cpe-manager $?"'
    )


def kept_whole(printed: str, files: Sequence[str]) -> bool:
    """Judge the answer to ``keeping``: each copy is what a second reading gives."""
    digests = [line.split()[0] for line in printed.splitlines() if re.match(r"[0-9a-f]{64} ", line)]
    half = len(files) + 1
    return len(digests) == 2 * half and digests[:half] == digests[half:]


def arming(token: str, seconds: int, systemd: bool, files: Sequence[str], links: Links) -> Iterator[str]:
    """Shell lines behind ``keeping`` into ``made(token)`` that lay down the script, have the next boot run it, and
    start its timer."""
    lines, folder = [f"{_HEAD}{token}", *way_back(files, links)], made(token)
    yield from writing(f"{folder}/tell", "\n".join(_telling(KEPT, links)))
    yield from writing(f"{folder}/undo", "\n".join(lines))
    boot = f"{at_boot(systemd)} && systemctl daemon-reload" if systemd else at_boot(systemd)
    # A folder without a script is what a power cut left of one.
    takes = f"sync && [ ! -e {KEPT}/undo ] && rm -rf {KEPT} && mv -T {folder} {KEPT}"
    yield f"{boot} && {takes} && sync && {timer(seconds, systemd)}; {_END}"


def made(token: str) -> str:
    return f"{MADE}.{token}"


def way_back(files: Sequence[str], links: Links) -> Iterator[str]:
    """The script, but for its first line, which names it."""
    return _script(KEPT, files, links, _TAKE_UP)


def telling(links: Links) -> Iterator[str]:
    """The part of it that tells the daemons."""
    return _telling(KEPT, links)


def at_boot(systemd: bool) -> str:
    """Shell words that have the next boot run the script. systemd reads its units when it starts."""
    if not systemd:
        return f"umask 022 && echo '@reboot root /bin/sh {KEPT}/undo >/dev/null 2>&1' >{_CRON}"
    unit = f"{_printf(_BOOT_UNIT.splitlines())} >{_UNIT}"
    return f"umask 022 && mkdir -p {_WANTED} && {unit} && ln -sf {_UNIT} {_LINK}"


def timer(seconds: int, systemd: bool) -> str:
    """The shell command that has the script run after so many seconds."""
    if systemd:
        # pppd and dhclient, started on the way back, are to live on.
        return (
            f"systemd-run --quiet --collect --unit={_TIMER} --on-active={seconds} --timer-property=AccuracySec=1s "
            f"--property=KillMode=process /bin/sh {KEPT}/undo"
        )
    return (
        f"start-stop-daemon --start --background --make-pidfile --pidfile {_PID} --exec /bin/sh -- "
        f'-c "sleep {seconds}; sh {KEPT}/undo"'
    )


def bringing(frr: str, files: Mapping[str, str], present: Sequence[str], links: Links) -> Iterator[str]:
    """Shell lines that bring in another configuration and the script that puts it in its place; the last line prints
    the checksums that ``brought`` judges. ``present``: what the box has in ``PLACES`` now, as ``ls -dp`` prints it."""
    yield f'umask 077; rm -rf {INCOMING} && mkdir -p {INCOMING}; echo "cpe-manager $?"'
    foreign = [name for name in present if name.endswith(("/", "~", ".bak"))]
    yield from writing(f"{INCOMING}/names", "\n".join((*files, *foreign)))
    for owner, patterns in _OWNERS.items():
        own = [path for pattern in patterns for path in sorted(files) if _globbed(path, pattern)]
        own = [path for path in own if owner == "table" or path != _TABLE]
        sums = [f"{hashlib.sha256(files[path].encode()).hexdigest()}  {path}" for path in own]
        yield from writing(f"{INCOMING}/sum.{owner}", "\n".join(sums))
    yield from writing(f"{INCOMING}/frr", frr)
    for number, text in enumerate(files.values()):
        yield from writing(f"{INCOMING}/{number}", text)
    script = _script(INCOMING, list(files), links, ":", keeps_mode=False)
    yield from writing(f"{INCOMING}/tell", "\n".join(_telling(INCOMING, links)))
    yield from writing(f"{INCOMING}/undo", "\n".join(script))
    named = " ".join(f"{INCOMING}/{number}" for number in range(len(files)))
    yield (
        f"cp -p {_FRR_CONF} {INCOMING}/frr.conf 2>/dev/null; "
        f'sha256sum {INCOMING}/frr {named} {INCOMING}/undo; echo "cpe-manager $?"'
    )


def apart(commands: Sequence[str]) -> Iterator[str]:
    """Shell lines that lay down a script of these commands, which ends at the first one that fails."""
    yield from writing(APART, "\n".join((*(f"{command} || exit 1" for command in commands), f"rm -f {APART}")))


def brought(printed: str, frr: str, files: Mapping[str, str]) -> bool:
    """Judge the last answer to ``bringing``: everything has arrived as it was sent."""
    digests = [line.split()[0] for line in printed.splitlines() if line.strip()]
    wanted = [hashlib.sha256(text.encode()).hexdigest() for text in (frr, *files.values())]
    return len(digests) == len(wanted) + 1 and digests[:-1] == wanted


def writing(path: str, text: str) -> Iterator[str]:
    """Shell lines that write a text into a file, each of bounded length."""
    batch: list[str] = []
    lead = ">"
    for line in text.removesuffix("\n").split("\n") if text else []:
        if batch and sum(map(len, batch)) + len(line) > _CHUNK:
            yield f'umask 077; {_printf(batch)} {lead}{path}; echo "cpe-manager $?"'
            batch, lead = [], ">>"
        batch.append(line)
    yield f'umask 077; {_printf(batch) if batch else ":"} {lead}{path}; echo "cpe-manager $?"'


def _summed(owner: str) -> str:
    """Our own table has a file and an owner for itself."""
    others = f" | grep -vF {_TABLE}" if owner == "rules" else ""
    return f"sha256sum {' '.join(_OWNERS[owner])} 2>/dev/null{others}"


def _printf(lines: Sequence[str]) -> str:
    return f"printf '%s\\n' {' '.join(map(quote, lines))}"


def _globbed(path: str, pattern: str) -> bool:
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def _script(folder: str, files: Sequence[str], links: Links, end: str, *, keeps_mode: bool = True) -> Iterator[str]:
    """What puts the files of ``folder`` in their places. With the word ``boot`` no daemon is told: none is up yet."""
    for owner in _OWNERS:
        yield f"{_summed(owner)} | cmp -s - {folder}/sum.{owner} || : >{folder}/tell.{owner}"
    # As long as the file says what is to be ended.
    yield f'[ "$1" != boot ] && [ -e {folder}/tell.link ] && ifdown --force {links.nic} >/dev/null 2>&1'
    for number, path in enumerate(files):
        mask = "077" if path.startswith(PRIVATE) else "022"
        made = f"mkdir -p {quote(path.rpartition('/')[0])}; cp {'-p ' if keeps_mode else ''}{folder}/{number}"
        yield f"umask {mask}; {made} {quote(path)} || : >{folder}/failed"
    yield (f"[ -s {folder}/names ] && {NAMES} | grep -vxFf {folder}/names | xargs -r -d '\\n' rm -f")
    yield "rm -f /etc/.cpe-new.* /etc/*/.cpe-new.* /etc/*/*/.cpe-new.* /run/cpe-manager.frr"
    yield "hostname -F /etc/hostname"
    yield f'[ "$1" = boot ] || sh {folder}/tell'
    # FRR's file is not what FRR runs, and both ways to bring that in leave it there.
    yield f"[ -e {folder}/frr.conf ] && cp -p {folder}/frr.conf {_FRR_CONF}"
    yield f"[ ! -e {folder}/frr.conf ] && rm -f {_FRR_CONF}"
    yield "sync"
    yield end


def _telling(folder: str, links: Links) -> Iterator[str]:
    """What tells the daemons: the firewall first, so that nothing new is open for a moment."""

    def when(owner: str) -> str:
        return f"[ -e {folder}/tell.{owner} ] &&"

    # Now, for a restart of FRR may come before its turn.
    yield f"{_SHOW} | {_ADDRESSES} >{folder}/addresses.now; {_ADDRESSES} {folder}/frr >{folder}/addresses"
    yield f"printf 'flush ruleset\\n' >{folder}/rules; cat /etc/nftables.conf 2>/dev/null >>{folder}/rules"
    yield f"{when('rules')} nft -f {folder}/rules"
    yield f"{when('table')} [ -e {_TABLE} ] && nft -f {_TABLE}"
    yield f"{when('table')} [ ! -e {_TABLE} ] && nft delete table inet cpe 2>/dev/null"
    yield f"{when('sysctl')} sysctl --quiet --system"
    # All of them before a restart: with the first address of a network the kernel drops the others of it.
    gone = f"grep -vxFf {folder}/addresses {folder}/addresses.now"
    taken = f"{gone} | while read -r on address; do ip address del $address dev $on 2>/dev/null; done"
    yield f"{when('daemons')} {taken}"
    yield f"{when('daemons')} service frr restart"
    # What a daemon refuses shows when the box is read again; the rest has to be done in any case.
    yield f"{_SHOW} | cmp -s - {folder}/frr || : >{folder}/tell.frr"
    yield f"{when('frr')} [ -x {_RELOAD} ] && {_RELOAD} --reload --stdout {folder}/frr && rm -f {folder}/tell.frr"
    yield f"{when('frr')} {taken}"
    yield f"{when('frr')} cp {folder}/frr {_FRR_CONF} && service frr restart && sleep 5"
    for daemon in ("dnsmasq", "hostapd", "snmpd"):
        yield f"{when(daemon)} service {daemon} restart"
    yield f"{when('ppp')} poff -a"
    for provider in links.dialled:
        yield f"{when('ppp')} pon {quote(provider)}"
    yield (f"{when('link')} start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- {links.nic}")
    if links.modem:
        yield f"{when('modem')} ifdown --force {links.modem} >/dev/null 2>&1"
        yield f"{when('modem')} start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- {links.modem}"
    yield f"{when('ssh')} [ -e {_NO_SSH} ] && service ssh stop"
    yield f"{when('ssh')} [ ! -e {_NO_SSH} ] && service ssh restart"
    yield f"{when('wireguard')} systemctl restart 'wg-quick@*'"


def with_own_logins(text: str, present: str) -> str:
    """A stored text with the box's present log-in passwords where its own were taken out (§5.2.1.3). A line for which
    the box has none is left out: a device password is better missing than a word that everybody knows."""
    if REMOVED not in text:
        return text
    kept, own = [], present.splitlines()
    for line in text.split("\n"):
        if REMOVED not in line:
            kept.append(line)
            continue
        form = re.compile(r"\S+".join(map(re.escape, line.split(REMOVED))))
        found = next((candidate for candidate in own if form.fullmatch(candidate)), None)
        if found is not None:
            kept.append(found)
    return "\n".join(kept)
