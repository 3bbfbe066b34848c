"""An FRR edge router, over a warm SSH session and vtysh.

A line's addresses have a route of the operator's own over the fixed line: static with a distance above ours, or BGP.
``carry(MOBILE)`` puts a static route over the mobile next hop before it; ``carry(FIXED)`` takes that one away again,
and only when the other one is there: zebra then replaces one route by the other in the kernel. Many lines that are
moved at once go in few calls. Nothing is believed before the RIB says that the kernel has it.

``save`` is off by default: a route over mobile is a matter of minutes and hours, and the manager's database knows of
it. An edge that restarts with one in its startup configuration could have traffic over a mobile connection that nobody
pays attention to any more; one that restarts without gets it again from the manager, which looks at what is carried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from shlex import quote
from typing import Final, Literal

from cpe_manager.adapters.platform import vtysh
from cpe_manager.adapters.platform.batches import Batches
from cpe_manager.adapters.platform.terminal import OpenTerminal
from cpe_manager.adapters.platform.vtysh import Prefix, Route, Static
from cpe_manager.adapters.platform.warm import Pace, WarmSession
from cpe_manager.domain.errors import (
    CommandRefused,
    CpeManagerError,
    DeviceError,
    DeviceState,
    DeviceTimeout,
    FetchIncomplete,
    InputError,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.platform import EdgeSession, Routed
from cpe_manager.ports.sessions import Sessions
from cpe_manager.ports.shell import ExecResult, Target

Vtysh = Literal["auto", "login", "command", "sudo"]
_COMMANDS: Final = {"command": "vtysh", "sudo": "sudo -n vtysh"}
_TRIED: Final[tuple[tuple[Vtysh, str], ...]] = (
    ("command", "vtysh -c 'show version'"),
    ("login", "show version"),
    ("sudo", "sudo -n vtysh -c 'show version'"),
)
_SETTLING: Final = 2.0
"""Seconds in which a route that was accepted has to be in the kernel."""
_LOOKS: Final = 4
_MOST: Final = 500
_FEW: Final = 24
"""Commands from which on a vtysh of their own is quicker than one after the other."""
_DAEMONS_KNOWN: Final = 60.0
_ALONE: Final = 20
"""Lines that are tried one by one after a call that had a bad line in it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrrOptions:
    """``vtysh``: how the account reaches it: its log-in shell is vtysh, or a command, with sudo or without; ``auto``
    tries. ``source``: address or interface that echoes to fixed addresses go out from. ``save``: write each change to
    the startup configuration. ``deadline``: seconds for each verb."""

    static: Static = field(default_factory=Static)
    vtysh: Vtysh = "auto"
    source: str = ""
    save: bool = False
    deadline: float = 10.0


Order = tuple[Routed, Carrier]


class FrrEdge:
    """Implements ``ports.platform.Platform``."""

    def __init__(
        self,
        sessions: Sessions,
        target: Target,
        clock: Clock,
        options: FrrOptions | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._options = options or FrrOptions()
        self._clock = clock
        self._name = target.name
        self._warm = WarmSession(sessions, target, clock, pace)
        self._way: Vtysh = self._options.vtysh
        self._bulk = True
        self._carries: Batches[Order, None] = Batches(
            self._carry, subject=lambda order: order[0].line_id, most=_MOST, name=f"platform {target.name}: carry"
        )
        self._looks: Batches[Routed, Carrier | None] = Batches(
            self._look, most=_MOST, name=f"platform {target.name}: carried"
        )
        self._echoes: Batches[str, bool] = Batches(self._echo, most=_MOST, name=f"platform {target.name}: echo")
        self._terminal = OpenTerminal()
        self._daemons: tuple[float, frozenset[str]] | None = None
        self._views: Batches[str, Mapping[str, EdgeSession] | None] = Batches(
            self._sessions, name=f"platform {target.name}: sessions"
        )

    async def carry(self, routed: Routed, over: Carrier) -> None:
        _prefixes(routed)
        async with self._deadline(f"line {routed.line_id} over {over}", effect=True):
            await self._carries.ask((routed, over))

    async def carried(self, routed: Routed) -> Carrier | None:
        _prefixes(routed)
        async with self._deadline(f"line {routed.line_id}: over what it goes"):
            return await self._looks.ask(routed)

    async def reachable(self, routed: Routed) -> bool | None:
        """One echo, and another one when it stays without an answer. None where the account has no shell, or the line
        no address."""
        host = _host(routed)
        async with self._deadline(f"an echo to {host}"):
            if host is None or await self._found_way() == "login":
                return None
            return await self._echoes.ask(str(host))

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        async with self._deadline("the sessions"):
            return await self._views.ask("sessions")

    async def warm(self) -> None:
        """Have the session open and see that it answers."""
        async with self._deadline("getting ready"):
            await self._say("show version", urgent=False)

    async def close(self) -> None:
        for batches in (self._carries, self._looks, self._echoes, self._views):
            await batches.close()
        await self._warm.close()

    @asynccontextmanager
    async def _deadline(self, what: str, *, effect: bool = False) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._options.deadline) as scope:
                yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            late = DeviceTimeout(f"{self._name}: {what}: no end within {self._options.deadline:g} s")
            late.device_state = "unknown" if effect else "untouched"
            raise late from error

    # Moving

    async def _carry(self, orders: Sequence[Order]) -> Mapping[Order, CpeManagerError | None]:
        """Of each line at most one order."""
        trouble: dict[Order, CpeManagerError] = {}
        commands: dict[Order, list[str]] = {}
        back = [order for order in orders if order[1] is Carrier.FIXED]
        found = await self._routes([routed for routed, _ in back]) if back else {}
        for order in orders:
            routed, over = order
            try:
                commands[order] = self._commands(routed, over, found)
            except DeviceError as error:
                trouble[order] = error
        todo = [order for order in orders if commands.get(order)]
        sent = await self._enter([line for order in todo for line in commands[order]])
        late = await self._settled([order for order in orders if order not in trouble])
        said = dict.fromkeys(late, sent)
        if late:
            # A bad line may have kept those behind it from being read: each alone shows whose it was. Where nothing was
            # bad and nothing else is to be said, saying it again changes nothing.
            found = await self._routes([routed for routed, _ in late])
            again = {order: self._commands(*order, found) for order in list(late)[:_ALONE]}
            again = {order: lines for order, lines in again.items() if sent or lines != commands[order]}
            for order, lines in again.items():
                said[order] = await self._enter(lines)
            late = {order: state for order, state in late.items() if order not in again}
            late |= await self._settled(list(again))
        left = await self._taken_out([routed for routed, over in late if over is Carrier.MOBILE])
        for order, state in late.items():
            trouble[order] = self._given_up(order, state, said[order], left)
        if todo and self._options.save:
            await self._save()
        return {order: trouble.get(order) for order in orders}

    def _commands(self, routed: Routed, over: Carrier, found: Mapping[Prefix, Sequence[Route]]) -> list[str]:
        """Those over mobile need not be looked at first. Raises ``CommandRefused`` when taking our route away would
        leave the addresses without any."""
        static, lines = self._options.static, list[str]()
        for prefix in _prefixes(routed):
            mine = vtysh.ours(found.get(prefix, ()), static)
            hops = [hop for route in mine for hop in route.hops]
            if over is Carrier.MOBILE:
                lines.append(prefix.route(str(prefix.mobile), static))
                # A next hop that the line had before would share the traffic.
                hops = [hop for hop in hops if hop.split(" ", 1)[0] != str(prefix.mobile.address)]
            elif mine and not vtysh.way_back(found[prefix], prefix, static):
                raise CommandRefused(
                    f"{self._name}: has no route to {prefix.network} over the fixed line; the one over mobile stays"
                )
            lines += [f"no {prefix.route(hop, static)}" for hop in hops]
        return lines

    async def _enter(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Enter configuration lines; what the edge complained of. Its state is unknown when the session breaks."""
        if not lines:
            return ()
        try:
            answer = await self._say(vtysh.change(lines, bulk=self._bulk), urgent=True)
        except DeviceError as error:
            error.device_state = "unknown"
            raise
        complaints = vtysh.complaints(answer)
        if self._bulk and any(vtysh.knows_no_bulk(complaint) for complaint in complaints):
            self._bulk = False
            return await self._enter(lines)
        return complaints

    async def _settled(self, orders: Sequence[Order]) -> dict[Order, str]:
        """Wait until the kernel has what was ordered; what is found instead for each order where it does not."""
        late = dict.fromkeys(orders, "")
        until = self._clock.monotonic() + _SETTLING
        pause, looks = 0.01, 0
        while late:
            found = await self._routes([routed for routed, _ in late])
            late = {order: state for order in late if (state := self._missing(order, found))}
            looks += 1
            # On a busy edge one look at many lines takes longer than they need to settle: what it found is old then.
            if not late or (looks >= _LOOKS and self._clock.monotonic() > until):
                break
            await self._clock.sleep(pause)
            pause = min(2 * pause, 0.2)
        return late

    def _missing(self, order: Order, found: Mapping[Prefix, Sequence[Route]]) -> str:
        routed, over = order
        wrong = []
        for prefix in _prefixes(routed):
            here = vtysh.carrier(found[prefix], prefix)
            hops = [hop for route in vtysh.ours(found[prefix], self._options.static) for hop in route.hops]
            if here is not over or len(hops) > (over is Carrier.MOBILE):
                wrong.append(f"{prefix.network} goes over {here or 'neither'}")
        return ", ".join(wrong)

    async def _taken_out(self, lines: Sequence[Routed]) -> DeviceState:
        """A route over mobile that the edge does not use is taken out again: it would come alive by itself later."""
        prefixes = [prefix for routed in lines for prefix in _prefixes(routed)]
        try:
            said = await self._enter([f"no {p.route(str(p.mobile), self._options.static)}" for p in prefixes])
        except DeviceError:
            return "unknown"
        return "changed" if said else "untouched"

    def _given_up(self, order: Order, state: str, complaints: Sequence[str], left: DeviceState) -> CommandRefused:
        routed, over = order
        said = f"; the edge says: {'; '.join(complaints)[:300]}" if complaints else ""
        hop = f": is {routed.mobile_gateway} reached from it?" if over is Carrier.MOBILE and not complaints else ""
        error = CommandRefused(f"{self._name}: line {routed.line_id} over {over}: {state}{hop}{said}")
        error.device_state = left if over is Carrier.MOBILE else "changed"
        return error

    async def _save(self) -> None:
        try:
            answer = await self._say("write memory", urgent=True)
        except DeviceError as error:
            _log.warning("platform %s: the change is not in its startup configuration: %s", self._name, error)
            return
        if "[OK]" not in answer:
            _log.warning("platform %s: write memory did not say that it is done", self._name)

    # Looking

    async def _look(self, lines: Sequence[Routed]) -> Mapping[Routed, Carrier | CpeManagerError | None]:
        found = await self._routes(lines)
        told: dict[Routed, Carrier | CpeManagerError | None] = {}
        for routed in lines:
            seen = {vtysh.carrier(found[prefix], prefix) for prefix in _prefixes(routed)}
            told[routed] = seen.pop() if len(seen) == 1 else None
        return told

    async def _routes(self, lines: Sequence[Routed]) -> dict[Prefix, Sequence[Route]]:
        asked = [prefix for routed in lines for prefix in _prefixes(routed)]
        answer = await self._say("\n".join(prefix.show for prefix in asked), urgent=True)
        documents = vtysh.documents(answer)
        if len(documents) != len(asked):
            raise CommandRefused(f"{self._name}: {len(asked)} routes asked for, {len(documents)} answers")
        return {prefix: vtysh.routes(document, prefix) for prefix, document in zip(asked, documents, strict=True)}

    async def _echo(self, hosts: Sequence[str]) -> Mapping[str, bool | CpeManagerError]:
        source = f" -I {quote(self._options.source)}" if self._options.source else ""
        echo = f"ping -n -q -c 1 -W 1{source} $a >/dev/null"
        script = f"for a in {' '.join(hosts)}; do ({{ {echo} || {echo}; }} && echo up $a) & done; wait"
        result = await self._execute(script, urgent=True)
        answered = {line.removeprefix("up ").strip() for line in result.stdout.splitlines() if line.startswith("up ")}
        if not answered and (said := result.stderr.strip()):
            raise CommandRefused(f"{self._name}: ping: {said.splitlines()[0][:200]}")
        return {host: host in answered for host in hosts}

    async def _sessions(self, asked: Sequence[str]) -> Mapping[str, Mapping[str, EdgeSession] | CpeManagerError | None]:
        """One answer for all who ask at once. Which daemons run is asked again from time to time."""
        now = self._clock.monotonic()
        if self._daemons is None or now - self._daemons[0] > _DAEMONS_KNOWN:
            self._daemons = now, frozenset((await self._say("show daemons", urgent=False)).split())
        bfd, bgp = "bfdd" in self._daemons[1], "bgpd" in self._daemons[1]
        if not bfd and not bgp:
            return dict.fromkeys(asked)
        questions = [question for runs, question in ((bfd, vtysh.BFD), (bgp, vtysh.BGP)) if runs]
        try:
            answers = vtysh.documents(await self._say("\n".join(questions), urgent=False))
            if len(answers) != len(questions):
                raise FetchIncomplete(f"{self._name}: {len(questions)} questions, {len(answers)} answers")
        except DeviceError:
            self._daemons = None  # one of them may have been stopped
            raise
        states = vtysh.bfd_sessions(answers[0]) if bfd else {}
        return dict.fromkeys(asked, vtysh.edge_sessions(states, vtysh.bgp_sessions(answers[-1]) if bgp else {}))

    # Saying

    async def _found_way(self) -> Vtysh:
        """Raises ``CommandRefused`` when none leads to vtysh."""
        if self._way == "auto":
            # vtysh as the log-in shell knows no command of that name, and a Linux shell none that is called show.
            for way, command in (
                ("command", "vtysh -c 'show version'"),
                ("login", "show version"),
                ("sudo", "sudo -n vtysh -c 'show version'"),
            ):
                if (await self._execute(command, urgent=True)).stdout.startswith("FRRouting"):
                    self._way = way  # type: ignore[assignment]
                    break
            else:
                raise CommandRefused(f"{self._name}: vtysh cannot be used by this account (group frrvty, or sudo)")
        return self._way

    async def _say(self, text: str, *, urgent: bool) -> str:
        """What vtysh prints to the commands of the text, a line each. Few are typed into the open terminal; many at
        once, and where there is no terminal, are the argument of a vtysh of their own."""
        way = await self._found_way()
        lines = text.split("\n")
        if len(lines) <= _FEW and self._terminal.usable:
            try:
                async with self._warm.borrow(urgent=urgent) as held:
                    said = await self._terminal.run(held, _COMMANDS.get(way), lines)
                if said is not None:
                    return said
            except (SessionDropped, DeviceTimeout):
                pass  # the next session is a new one, and the other way needs no terminal
        result = await self._execute(text if way == "login" else f"{_COMMANDS[way]} -c {quote(text)}", urgent=urgent)
        if result.stderr.strip() and not result.stdout.strip():
            raise CommandRefused(f"{self._name}: {result.stderr.strip().splitlines()[-1][:300]}")
        return result.stdout

    async def _execute(self, command: str, *, urgent: bool) -> ExecResult:
        """Once more over a new session when the warm one proves to be gone: all that is said here may be said twice."""
        try:
            async with self._warm.borrow(urgent=urgent) as held:
                return await held.shell.execute(command)
        except (SessionDropped, DeviceTimeout):
            async with self._warm.borrow(urgent=urgent) as held:
                return await held.shell.execute(command)


def _prefixes(routed: Routed) -> tuple[Prefix, ...]:
    try:
        return vtysh.prefixes(routed)
    except InputError as error:
        raise CommandRefused(f"line {routed.line_id}: {error}") from error


def _host(routed: Routed) -> IPv4Address | IPv6Address | None:
    """What answers of a block: its only address, or the first one that a host can have."""
    network = routed.ipv4 or routed.ipv6
    if network is None:
        return None
    return network.network_address if network.num_addresses == 1 else network.network_address + 1
