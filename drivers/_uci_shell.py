"""The dialogue with a box that has UCI, over exec channels; no driver by itself: OpenWrt and its descendants share it.

One command line exports the configuration, exports it again into ``sha256sum``, and prints the device's name and the
status of it all. A text is taken when the last line carries status 0, the checksum is the text's own and the name in
the text is the device's. Reading writes nothing on the device.

Changes are staged apart, committed and then announced with ``reload_config``. The language, the model in it and the
judging of answers are in ``cpe_manager.kit.uci``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from cpe_manager.domain.errors import CommandRefused, DeviceError, DeviceTimeout, FetchIncomplete, SessionDropped
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature, require_features
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit.uci import mobile as uci_mobile
from cpe_manager.kit.uci import model as uci_model
from cpe_manager.kit.uci import ports as uci_ports
from cpe_manager.kit.uci import session as uci_session
from cpe_manager.kit.uci.language import Uci, exported, secret_patterns
from cpe_manager.ports.coverage import Transfer
from cpe_manager.ports.driver import Capture, Guard, Recognition, Script, SecretRule, SnmpFacts, Spec
from cpe_manager.ports.driver_reading import Artefact
from cpe_manager.ports.shell import Shell
from drivers._line_probe import linux_ping, mwan3_way, netifd_line, netifd_way
from drivers._resolve import linux_resolve
from drivers._transfer import linux_transfer

# Somebody may change the configuration between the two exports, or the kernel write into the output.
_ATTEMPTS: Final = 3
_FEATURES: Final = frozenset(Feature) - {Feature.TELNET, Feature.TIMER_PROTOCOL, Feature.TIMER_PORT}
"""No Telnet server is built in, and the timers of connection tracking are no part of UCI."""


def uci_spec(family: str, title: str, recognition: Recognition, snmp: SnmpFacts) -> Spec:
    """A family with UCI, as data."""
    return Spec(
        family=family,
        title=title,
        comment="#",
        # UCI writes down what was configured and nothing that changes by itself: neither dates nor counters.
        volatile=(),
        secrets=tuple(SecretRule(pattern, kind) for kind, pattern in secret_patterns()),
        maturity="lab",
        hostname=uci_session.hostname,
        recognition=recognition,
        snmp=snmp,
        dialect="uci",
        evidence="The box's own SHA-256 of a second export is that of the text, and the name in it is the box's.",
        features=_FEATURES,
        rollback="scheduled-script",
        keeps_at_once=True,
    )


class UciDriver:
    """``ports.driver.FullDriver``, ``Guarded``, ``Replacing``, ``Moving``, ``Restarting``, ``Archiving``, ``Starting``
    and ``Carrying``, but for ``facts``: each family tells those in its own way."""

    def __init__(self, spec: Spec, mobile: uci_model.MobileWay) -> None:
        self._spec = spec
        self._mobile = mobile

    @property
    def spec(self) -> Spec:
        return self._spec

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

    async def startup(self, shell: Shell, running: str) -> str | None:
        """What is committed is on flash, and what is staged shows in an export as if it were committed: so only a box
        on which somebody has changes staged would come up with something else, and there the files are read."""
        if not (await ask(shell, uci_session.PENDING, "`uci changes`")).strip():
            return running
        printed = await ask(shell, uci_session.committed(Uci(running).packages), "reading /etc/config")
        return uci_session.without_logins(exported(Uci(printed)))

    def parse(self, text: str) -> CpeConfig:
        return uci_model.read(Uci(text), self._mobile)

    def render(self, current: str, wanted: CpeConfig) -> Script:
        require_features(wanted, self._spec.features, self._spec.family)
        return Script(uci_model.commands(current, wanted, self._mobile))

    def interfaces(self, text: str) -> Interfaces:
        return uci_ports.interfaces(Uci(text))

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        return uci_ports.adopted(text, present, names)

    async def transfer(self, shell: Shell, test: Transfer) -> float:
        return await linux_transfer(shell, test)

    async def resolve(self, shell: Shell, name: str) -> tuple[str, ...]:
        return await linux_resolve(shell, name)

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """All or nothing up to the commit: a refused command leaves the box as it was, so ``untouched`` is then the
        truth wherever in the script it stands. The daemons read committed files only, so what takes effect is kept."""
        del guard  # it was armed before
        if not script:
            return
        commands = script.commands
        try:
            await _stage(shell, commands)
        except (SessionDropped, DeviceTimeout) as error:
            error.device_state = "unknown"
            raise
        except DeviceError:
            await shell.execute(uci_session.CLEAN)
            raise
        try:
            await ask(shell, uci_session.commit(commands), "`uci commit`")
            await ask(shell, uci_session.reload(commands), "`reload_config`")
        except (CommandRefused, FetchIncomplete) as error:
            error.device_state = "changed"
            raise
        except DeviceError as error:
            error.device_state = "unknown"
            raise

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """Up to the commit as ``apply``; the daemons are told behind us."""
        del guard  # it was armed before
        if not script:
            return
        try:
            await _stage(shell, script.commands)
        except DeviceError:
            await shell.execute(uci_session.CLEAN)
            raise
        try:
            await ask(shell, uci_session.commit_apart(script.commands), "`uci commit`")
        except DeviceError as error:
            error.device_state = "changed" if isinstance(error, CommandRefused) else "unknown"
            raise

    async def reboot(self, shell: Shell) -> None:
        """A moment later, so that the order is answered."""
        await ask(shell, uci_session.REBOOT, "`reboot`")

    async def save(self, shell: Shell) -> None:
        """What was applied is in the files already: nothing may be staged beside it, and it has to be on flash."""
        if await ask(shell, uci_session.PENDING, "`uci changes`"):
            raise CommandRefused("changes are staged that nobody committed")
        await ask(shell, uci_session.SYNC, "`sync`")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """A script on flash that brings back what is configured now, run by a timer and by the next boot."""
        if await self.armed(shell) is not None:
            raise CommandRefused("a way back is laid down there already")
        if await ask(shell, uci_session.PENDING, "`uci changes`"):
            raise CommandRefused("somebody has changes staged there")
        if not uci_session.kept_whole(await ask(shell, uci_session.KEEP, "`uci export`")):
            raise FetchIncomplete("the configuration that the box would go back to was not kept whole")
        await ask(shell, uci_session.arming(guard.token, guard.seconds), "the way back")

    async def armed(self, shell: Shell) -> str | None:
        return uci_session.token_of(await ask(shell, uci_session.ARMED, "looking for a way back"))

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) not in (None, guard.token):
            raise CommandRefused("the way back that is laid down there is another's")
        await ask(shell, uci_session.DISARM, "taking up the way back")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        if await self.armed(shell) != guard.token:
            raise CommandRefused("no way back of this name is laid down there")
        await ask(shell, uci_session.GO_BACK, "going back")

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """``uci import``: every package of the text is replaced whole, behind a checksum of what has arrived."""
        del guard
        result = await shell.execute(uci_session.EXPORT)
        uci_session.accepted_export(result.stdout, result.stderr, result.exit_status)
        whole = uci_session.with_own_logins(text, uci_session.raw_export(result.stdout))
        printed = ""
        for line in uci_session.uploading(whole):
            printed = await ask(shell, line, "sending the configuration")
        if printed.split()[:1] != [hashlib.sha256(whole.encode()).hexdigest()]:
            raise FetchIncomplete("the configuration did not arrive whole")
        try:
            await ask(shell, uci_session.IMPORT, "`uci import`")
        except DeviceError as error:
            error.device_state = "unknown"
            raise

    async def factory_reset(self, shell: Shell) -> None:
        """``firstboot``: the box starts with what its firmware brings, at the maker's address and with his log-in."""
        await ask(shell, uci_session.RESET, "`firstboot`")

    async def line(self, shell: Shell, text: str) -> LineState:
        del text  # the model's WAN is the logical interface of that name
        return await netifd_line(shell, "wan")

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        """By mwan3 where it decides and says so, else by the routes of netifd's interfaces."""
        box = Uci(text)
        name = ""
        if uci_mobile.decides(box) and (policy := next(iter(uci_mobile.policies(box)), None)):
            name = await mwan3_way(shell, policy.name)
        name = name or await netifd_way(shell)
        mobile = self._mobile.section(box)
        if mobile is not None and name == mobile.name:
            return Carrier.MOBILE
        return Carrier.FIXED if name in uci_mobile.fixed_names(box) else None

    async def ping(self, shell: Shell, target: str) -> bool:
        return await linux_ping(shell, target)

    async def archive(self, shell: Shell) -> Artefact:
        """What ``sysupgrade`` would carry over. It holds ``etc/shadow``, so hashes of the box's own log-in."""
        result = await shell.execute(uci_session.ARCHIVE)
        content, digest = uci_session.accepted_archive(result.stdout, result.stderr)
        return Artefact(f"{self._spec.family}-sysupgrade.tar.gz", "application/gzip", content, digest)


async def _stage(shell: Shell, commands: tuple[str, ...]) -> None:
    if pending := (await ask(shell, uci_session.PENDING, "`uci changes`")).split():
        raise CommandRefused(f"somebody has changes of {pending[0].partition('.')[0].lstrip('-')!r} staged there")
    await shell.execute(uci_session.CLEAN)
    for before, line in uci_session.staging(commands):
        result = await shell.execute(line)
        uci_session.staged(result.stdout, result.stderr, before, commands)


async def ask(shell: Shell, line: str, what: str) -> str:
    """The answer to a line that ends with a mark. Raises a ``DeviceError``."""
    result = await shell.execute(line)
    return uci_session.answer(result.stdout, result.stderr, what)


async def value(shell: Shell, command: str) -> str:
    """What a command prints, without blanks and the NUL at the ends that device trees have; empty when it fails."""
    result = await shell.execute(command)
    return result.stdout.strip("\0 \t\r\n") if result.exit_status == 0 else ""


async def uptime(shell: Shell) -> int | None:
    """Seconds since the box started; None when it does not say."""
    first = (await value(shell, "cat /proc/uptime")).partition(" ")[0]
    return int(float(first)) if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", first) else None


async def board(shell: Shell) -> dict[str, object]:
    """What ubus tells of the board. Raises ``FetchIncomplete``."""
    result = await shell.execute("ubus call system board")
    try:
        found = json.loads(result.stdout)
    except ValueError as error:
        raise FetchIncomplete("the board's description is no JSON") from error
    if not isinstance(found, dict):
        raise FetchIncomplete("the board's description is no JSON object")
    return found
