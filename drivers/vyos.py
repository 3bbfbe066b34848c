"""VyOS 1.4 and 1.5: set lines over exec channels with the box's own checksum, changes in configuration mode.

One command line prints the running configuration in ``set`` lines, prints it again into ``sha256sum``, and prints the
box's name and the status of it all. A text is taken when the last line carries status 0, the checksum is the text's own
and the name in the text is the box's. Reading writes nothing on the box.

Changes are typed into configuration mode, where they are a working copy until the one ``commit`` at the end; so a
refused line leaves the box as it was. What a commit itself refuses, it refuses part by part: then the checksum of the
running configuration tells whether anything was taken.

A promise to go back is the box's own ``commit-confirm``: it is made with the commit. 1.4 goes back by a restart with
the saved configuration, so what runs has to be what is saved when the promise is made; 1.5 may reload instead.

Both releases are read. What differs (names in the DHCP server) is written as the text at hand has it, and as 1.4 has it
where the text does not tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.backup.drift import LastChange
from cpe_manager.domain.errors import (
    CommandRefused,
    DeviceTimeout,
    FetchIncomplete,
    ForeignText,
    PromptLost,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit.config_text import checked, last_lines, values
from cpe_manager.kit.secret_rules import patterns
from cpe_manager.kit.vyos import model as vyos_model
from cpe_manager.kit.vyos import ports, roles
from cpe_manager.kit.vyos.set_lines import SetLines, quoted
from cpe_manager.ports.driver import Capture, Facts, Guard, Recognition, Script, SecretRule, SnmpFacts, Spec
from cpe_manager.ports.shell import Credential, PromptRules, Shell, Terminal
from drivers._line_probe import linux_line, linux_ping, linux_way

_OP: Final = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"
_SHOW: Final = f"{_OP} show configuration commands"
_FETCH: Final = f'{_SHOW} && {_SHOW} | sha256sum && hostname; echo "cpe-manager $?"'
_DIGEST_OF_RUNNING: Final = f"{_SHOW} | sha256sum"
_MARK: Final = "cpe-manager "
_DIGEST: Final = re.compile(r"([0-9a-f]{64}) +-")
# Somebody may commit between the two, or the kernel write into the output.
_ATTEMPTS: Final = 3

_RULES: Final = PromptRules(
    # Operational mode cuts the name at its first dot, configuration mode does not: only what stands before it counts.
    # A commit that has to be confirmed asks something: to the shell's reader that is a prompt, too.
    prompt=re.compile(
        r"[\w.-]+@(?P<host>[A-Za-z0-9][\w-]*)(?:\.[\w.-]+)?(?::[^\s$]*\$|#)|Proceed ?\? ?\[Y/n\]", re.IGNORECASE
    ),
    pager=re.compile(r"^(?::|lines \d+-\d+(?: .*)?|(?P<end>\(END\)))$"),
    errors=re.compile(
        r"^[ \t]*(?:(?:Invalid|Ambiguous|Incomplete) command:|Configuration path: .*(?:not valid|ambiguous"
        r"|requires a value)|Value validation failed|(?:Set|Delete) failed|Tag node value name must not|Cannot use the"
        r"|-?v?bash: ).*",
        re.MULTILINE,
    ),
)
_COMMIT_FAILED: Final = re.compile(
    r"^.*(?:Commit failed|\]\] failed|temporarily locked|Failed to generate committed config).*$", re.MULTILINE
)
# Whose promise is open, and how far it is: the box's timer has no name. Lost with a restart, as the timer is.
_NOTE: Final = "/tmp/cpe-manager.guard"  # noqa: S108
_COPY: Final = "/tmp/cpe-manager.running"  # noqa: S108
_TIMER: Final = "commit-confirm.timer"
_PROMISE: Final = f'systemctl is-active {_TIMER}; cat {_NOTE} 2>/dev/null; echo "cpe-manager 0"'
# What the box itself does to find out about unsaved commits.
_UNSAVED: Final = (
    f"umask 077; /usr/libexec/vyos/vyos-save-config.py {_COPY} && cmp -s {_COPY} /config/config.boot; "
    f'echo "cpe-manager $?"; rm -f {_COPY}'
)
# The tool that stands behind `show configuration commands`, on what is saved.
_SAVED: Final = 'vyos-config-to-commands /config/config.boot; echo "cpe-manager $?"'
_COMMITS: Final = f"{_OP} show system commit"
_NEWEST: Final = re.compile(
    r"^ *0 +(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) +by (?P<by>\S+) +via (?P<via>\S+)", re.MULTILINE
)
_REVERT: Final = f"sudo systemctl start commit-confirm.service; sudo systemctl stop {_TIMER}; rm -f {_NOTE}"
_NO_DIFFERENCE: Final = "No changes between working and {} configurations"
_VALUE: Final = re.compile(r"'[^']*'")


def _hostname(text: str) -> str | None:
    found = values(text, "set system host-name ")
    return found[0].strip("'") if len(found) == 1 else None


_Q: Final = r"'(?P<secret>[^'\n]+)'"

SPEC: Final = Spec(
    family="vyos",
    title="VyOS",
    comment="#",
    volatile=(),
    secrets=(
        *(
            SecretRule(pattern, "login")
            for pattern in patterns(
                rf"^set system login user \S+ authentication (?:plaintext-password|encrypted-password) {_Q}",
                rf"^set system login user \S+ authentication otp key {_Q}",
            )
        ),
        *(
            SecretRule(pattern, "snmp")
            for pattern in patterns(
                r"^set service snmp community (?P<secret>\S+)",
                rf"^set service snmp trap-target \S+ community {_Q}",
                rf"^set service snmp v3 (?:user|trap-target) \S+ (?:auth|privacy) (?:encrypted|plaintext)-\w+ {_Q}",
            )
        ),
        *(
            SecretRule(pattern, "wifi")
            for pattern in patterns(
                rf"^set interfaces wireless \S+ security (?:wpa passphrase|wep key) {_Q}",
            )
        ),
        *(
            SecretRule(pattern, "ppp")
            for pattern in patterns(
                rf"^set interfaces (?:pppoe|wwan|sstpc|l2tpv3) \S+ authentication password {_Q}",
                rf"^set (?:service (?:pppoe|ipoe)-server|vpn (?:l2tp|pptp|sstp|openconnect)) "
                rf".*\blocal-users username \S+ password {_Q}",
            )
        ),
        *(
            SecretRule(pattern, "key")
            for pattern in patterns(
                # RADIUS and TACACS+ servers, wherever they serve; `key` alone names other things elsewhere.
                rf"^set .*\b(?:radius|tacacs|tacplus) (?:.*\b)?server \S+ (?:key|secret|source-key) {_Q}",
                rf"^set .*\bdynamic-author key {_Q}",
                rf"^set vpn ipsec authentication psk \S+ secret {_Q}",
                rf"^set .*\b(?:pre-shared-secret|preshared-key|private-key|md5-key|shared-secret|auth-key) {_Q}",
                rf"^set pki (?:openvpn shared-secret|key-pair|certificate|ca|dh|openssh) \S+ (?:private )?key {_Q}",
                rf"^set pki \S+ \S+ private passphrase {_Q}",
                rf"^set interfaces macsec \S+ security (?:mka cak|static (?:key|peer \S+ key)) {_Q}",
                rf"^set protocols nhrp tunnel \S+ cisco-authentication {_Q}",
                rf"^set service https api keys id \S+ key {_Q}",
                rf"^set (?:protocols|vrf name \S+ protocols) .*\bpassword {_Q}",
                rf"^set .*\b(?:area|domain)-password (?:plaintext-password|md5) {_Q}",
                rf"^set high-availability vrrp .*\bauthentication password {_Q}",
                rf"^set (?!system login user )(?!service snmp ).*\bplaintext-password {_Q}",
            )
        ),
        *(
            SecretRule(pattern, "other")
            for pattern in patterns(
                rf"^set (?:service|interfaces (?:openvpn|ethernet)|container|vpn|system (?!login user )) "
                rf".*\b(?:password|passphrase|token) {_Q}",
                r"\b[a-z][a-z0-9+]*://[^\s:/@']+:(?P<secret>[^\s@']+)@",
            )
        ),
    ),
    maturity="lab",
    hostname=_hostname,
    recognition=Recognition(
        sys_object_ids=("1.3.6.1.4.1.44641",),
        sys_descr=(re.compile(r"^VyOS\b"),),
        banner=(re.compile(r"Welcome to VyOS"),),
        prompt=(re.compile(r"^vyos@[\w.-]+:[~/]\S*\$ ?$"),),
        # Its routing is FRR's, and a vtysh is there to say so.
        priority=10,
        made_from=("frr_linux",),
    ),
    snmp=SnmpFacts(descr=re.compile(r"^VyOS (?P<release>\S+)")),
    dialect="set",
    evidence="The box's own SHA-256 of a second listing is that of the text, and the name in it is the box's.",
    features=vyos_model.FEATURES,
    rollback="confirm-timer",
)


class Vyos:
    """Implements ``ports.driver.FullDriver``, ``Guarded``, ``Replacing``, ``Moving``, ``Restarting``, ``Starting`` and
    ``Witnessing``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        problem = FetchIncomplete("never asked")
        for _ in range(_ATTEMPTS):
            result = await shell.execute(_FETCH)
            try:
                text, name = _accepted(result.stdout, result.stderr, result.exit_status)
                return Capture(text, name, counted=True)
            except FetchIncomplete as error:
                problem = error
        raise problem

    async def facts(self, shell: Shell) -> Facts:
        version = await _value(shell, f"{_OP} show version")
        uptime = (await _value(shell, "cat /proc/uptime")).partition(" ")[0]
        release = _first(r"^Version:\s+VyOS (\S+)", version)
        if not release:
            raise FetchIncomplete("`show version` names no release of VyOS")
        return Facts(
            hostname=await _value(shell, "hostname"),
            model=_first(r"^Hardware model:[ \t]+(\S.*)$", version),
            serial=_first(r"^Hardware S/N:[ \t]+(\S.*)$", version),
            os_release=release,
            uptime=int(float(uptime)) if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", uptime) else None,
        )

    async def startup(self, shell: Shell, running: str) -> str | None:
        """The order of the lines is that of what runs, where the same lines are saved."""
        result = await shell.execute(_SAVED)
        printed, mark, status = result.stdout.rpartition(_MARK)
        if not mark or result.exit_status is None:
            raise FetchIncomplete("the end mark behind the saved configuration is missing")
        if status.strip() != "0":
            raise CommandRefused(f"the saved configuration cannot be read: {_reason(result.stderr)}")
        text = checked(printed)
        return running if sorted(text.splitlines()) == sorted(running.splitlines()) else text

    async def changes_by(self, shell: Shell, running: str) -> LastChange | None:
        """The newest commit that the box noted; a box that keeps no revisions notes none."""
        del running
        found = _NEWEST.search((await shell.execute(_COMMITS)).stdout)
        return None if found is None else LastChange(found["by"], found["when"], f"commit log, via {found['via']}")

    def parse(self, text: str) -> CpeConfig:
        return vyos_model.read(text)

    def render(self, current: str, wanted: CpeConfig) -> Script:
        return Script(vyos_model.render(current, wanted))

    def log_in(self, credential: Credential) -> Script:
        """The system keeps a hash of it. Every account of VyOS may configure."""
        user = f"set system login user {credential.username} authentication plaintext-password"
        return Script((f"{user} {quoted(credential.password)}",))

    def interfaces(self, text: str) -> Interfaces:
        return ports.interfaces(text)

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        return ports.adopted(text, present, names)

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """All or nothing up to the commit. A commit that is refused may have taken a part: the box's checksum tells.
        With a guard the commit is one that the box takes back unless it is confirmed."""
        if not script:
            return
        try:
            await self._apply(shell, script.commands, guard)
        except (SessionDropped, DeviceTimeout, PromptLost) as error:
            error.device_state = "unknown"
            raise

    async def _apply(self, shell: Shell, commands: tuple[str, ...], guard: Guard | None) -> None:
        before = await _running_digest(shell)
        terminal = await _configuring(shell)
        try:
            for command in commands:
                await _typed(terminal, command)
            printed = await _committed(shell, terminal, guard)
        except CommandRefused:
            await _leave(terminal)
            raise
        failure = _COMMIT_FAILED.search(printed)
        done = failure is None and _NO_DIFFERENCE.format("active") in await terminal.run("compare")
        if done:
            await _leave(terminal)
            return
        error = CommandRefused(f"`commit`: {_reason(printed)}")
        after = await _running_digest(shell)
        error.device_state = "untouched" if after == before else "changed"
        if guard is not None and after == before:
            # The timer runs whatever became of the commit, and here it has nothing to take back.
            await terminal.run("confirm")
            await _note(shell, f"{guard.token} armed")
        await _leave(terminal)
        raise error

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """One commit, which the box works off to its end once it has begun, whatever becomes of the session."""
        await self.apply(shell, script, guard)

    async def reboot(self, shell: Shell) -> None:
        with contextlib.suppress(SessionDropped, DeviceTimeout):
            result = await shell.execute(f"{_OP} reboot now")
            if result.exit_status not in (0, None):
                raise CommandRefused(f"`reboot now`: {_reason(result.stderr or result.stdout)}")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """The promise itself comes with the commit; here it is seen that the box can keep it. What runs is saved first
        where it is not: it is what the box goes back to.

        Raises ``CommandRefused`` when it cannot, and has left nothing behind then."""
        if (await _promise(shell)).open:
            raise CommandRefused("another commit-confirm is pending")
        status = (await shell.execute(_UNSAVED)).stdout.strip()
        if status != f"{_MARK}0":
            await self.save(shell)
        await _note(shell, f"{guard.token} armed")

    async def armed(self, shell: Shell) -> str | None:
        """The token of the promise that is open; None when there is none, empty when it is not one of ours."""
        promise = await _promise(shell)
        return promise.token if promise.open else None

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        """The change stays. Doing it twice is right; raises ``CommandRefused`` when the box has gone back already."""
        promise = await _promise(shell)
        if promise.open and promise.token == guard.token:
            terminal = await _configuring(shell)
            printed = await terminal.run("confirm")
            await _leave(terminal)
            if "timer stopped" not in printed:
                raise CommandRefused(f"`confirm`: {_reason(printed)}")
            await _note(shell, f"{guard.token} confirmed")
        elif promise.open or promise.token != guard.token or promise.word == "pending":
            raise CommandRefused("no such promise is open: the box has gone back, or somebody else confirmed")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        """Have the box go back now, which on 1.4 ends the session. Raises ``CommandRefused`` when the promise is not
        open."""
        promise = await _promise(shell)
        if not promise.open or promise.token != guard.token:
            raise CommandRefused("no such promise is open")
        with contextlib.suppress(SessionDropped):
            await shell.execute(_REVERT)

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """Make a text, as ``fetch`` gave it, the running configuration (§5.1.2.4). The box's own log-in passwords,
        which no stored text has, stay."""
        current = (await self.fetch(shell)).text
        await self.apply(shell, Script(vyos_model.replacing(current, text)), guard)

    async def line(self, shell: Shell, text: str) -> LineState:
        name = roles.wan_of(SetLines(text))
        return await linux_line(shell, name) if name else LineState(up=None)

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        """By the kernel's routes, among which FRR puts the best one only."""
        box = SetLines(text)
        mobile, fixed = roles.mobile_of(box), roles.wan_of(box)
        name = await linux_way(shell)
        return {mobile: Carrier.MOBILE, fixed: Carrier.FIXED}.get(name) if name else None

    async def ping(self, shell: Shell, target: str) -> bool:
        return await linux_ping(shell, target)

    async def save(self, shell: Shell) -> None:
        terminal = await _configuring(shell)
        printed = await terminal.run("save")
        same = _NO_DIFFERENCE.format("saved") in await terminal.run("compare saved")
        await _leave(terminal)
        if not same:
            raise CommandRefused(f"`save`: what is saved is not what runs: {_reason(printed)}")


def _accepted(stdout: str, stderr: str, exit_status: int | None) -> tuple[str, str]:
    """Configuration and name out of the answer to ``_FETCH``.

    Raises ``CommandRefused``, ``FetchIncomplete`` or ``ForeignText``.
    """
    mark, *before = last_lines(stdout, 3)
    status = mark[len(_MARK) :] if mark.startswith(_MARK) else ""
    reason = _reason(stderr)
    if status not in ("", "0") or exit_status not in (0, None):
        raise CommandRefused(f"`show configuration commands` ended with status {status or exit_status}: {reason}")
    digest = _DIGEST.fullmatch(before[1]) if len(before) == 2 else None
    if status != "0" or digest is None or exit_status is None:
        raise FetchIncomplete("the end mark behind the configuration is missing")
    printed = stdout[: stdout.rindex(digest.group())]
    text, name = checked(printed), before[0]
    written = _hostname(text)
    # The system's own name may have the domain behind it.
    if written is not None and written != name and not name.startswith(f"{written}."):
        raise ForeignText(f"the configuration is of {written}, not of {name}")
    if hashlib.sha256(printed.encode()).hexdigest() != digest.group(1):
        raise FetchIncomplete("the checksum is not the one that the device computed")
    if written is None:
        raise FetchIncomplete("the configuration has no host name, or several")
    return text, written


async def _running_digest(shell: Shell) -> str:
    printed = (await shell.execute(_DIGEST_OF_RUNNING)).stdout.strip()
    if _DIGEST.fullmatch(printed) is None:
        raise FetchIncomplete("the box gave no checksum of its running configuration")
    return printed


@dataclass(frozen=True, slots=True)
class _Promise:
    """Whether the box's timer runs; whose it is and how far, as far as we noted it."""

    open: bool
    token: str = ""
    word: str = ""


async def _promise(shell: Shell) -> _Promise:
    lines = (await shell.execute(_PROMISE)).stdout.split("\n")
    if "cpe-manager 0" not in lines or lines[0] not in ("active", "inactive"):
        raise FetchIncomplete("the box does not say whether a commit-confirm is pending")
    noted = lines[1 : lines.index("cpe-manager 0")] or [""]
    token, _, word = noted[0].partition(" ")
    return _Promise(lines[0] == "active", token, word)


async def _note(shell: Shell, what: str) -> None:
    result = await shell.execute(f'umask 077; echo "{what}" > {_NOTE}')
    if result.exit_status != 0:
        raise CommandRefused(f"the box lets nothing be written below {_NOTE.rpartition('/')[0]}")


async def _committed(shell: Shell, terminal: Terminal, guard: Guard | None) -> str:
    """Commit, and return what the box says."""
    if guard is None:
        return await terminal.run("commit")
    if (promise := await _promise(shell)).token != guard.token or promise.open:
        raise CommandRefused("this promise was not prepared, or another one is open")
    await _note(shell, f"{guard.token} pending")
    minutes = max(1, -(-guard.seconds // 60))
    asked = await terminal.run(f"commit-confirm {minutes}")
    if f"in {minutes} minutes" not in asked:
        await _note(shell, f"{guard.token} armed")
        raise CommandRefused(f"`commit-confirm`: {_reason(asked)}")
    return "\n".join(line for line in (await terminal.run("y")).split("\n") if not line.startswith("Initialized"))


async def _configuring(shell: Shell) -> Terminal:
    """A terminal in configuration mode. What is typed there holds secrets: the shell is not to write its history."""
    terminal = await shell.terminal(_RULES)
    await terminal.run("set terminal length 0")
    await terminal.run("configure")
    await terminal.run("unset HISTFILE")
    return terminal


async def _typed(terminal: Terminal, command: str) -> None:
    """Run one command. What the box says of it is told when it is refused, never the value that it sets."""
    try:
        await terminal.run(command)
    except CommandRefused as error:
        why = str(error).removeprefix(f"{command!r}: ")
        raise CommandRefused(f"`{_VALUE.sub('...', command)}`: {_VALUE.sub('...', why)}") from None


async def _leave(terminal: Terminal) -> None:
    await terminal.run("exit discard")


def _reason(printed: str) -> str:
    """The first line that says anything."""
    return next((line.strip()[:200] for line in printed.split("\n") if line.strip()), "no reason given")


async def _value(shell: Shell, command: str) -> str:
    result = await shell.execute(command)
    return result.stdout.strip() if result.exit_status == 0 else ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else ""


DRIVER: Final = Vyos()
