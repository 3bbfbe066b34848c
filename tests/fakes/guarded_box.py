"""A box with a driver of its own, as little of one as a push needs; its language is the neutral model as JSON.

Its timer goes by the clock of the test. A mishap is named by the verb it strikes, and by whether the verb has had its
effect by then; it strikes once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cpe_manager.domain.errors import CommandRefused, ConnectFailed, SessionDropped
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import from_data, to_data
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Capture, Facts, Guard, Script, Spec
from cpe_manager.ports.sessions import OpenedSession
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules, Shell, Target, Terminal

FAMILY = "boxed"
VERBS = ("show", "arm", "apply", "confirm", "save", "revert", "replace", "armed")
SWIFT_VERBS = ("prepare", "strike")


def text_of(config: CpeConfig) -> str:
    return json.dumps(to_data(config), indent=1, sort_keys=True) + "\n"


class Killed(BaseException):
    """The process is gone: nothing after this is done or written."""


@dataclass
class GuardedBox:
    clock: Clock
    running: str
    startup: str = ""
    reachable: bool = True
    fires_at: datetime | None = None
    token: str = ""
    kept: str = ""
    litter: bool = False
    """What arming has laid down beside the timer, and going back by itself leaves."""
    verbs: list[str] = field(default_factory=list)
    before: dict[str, BaseException] = field(default_factory=dict)
    """Raised instead of what the verb would do."""
    after: dict[str, BaseException] = field(default_factory=dict)
    """Raised once the verb has been done."""
    waits: dict[str, asyncio.Event] = field(default_factory=dict)
    """Verbs that have no effect before something has come."""
    restarts_before: list[str] = field(default_factory=list)
    """Verbs that the box restarts before, quickly enough to answer them then; each entry once."""
    restarts_after_replacing: bool = False
    """The box restarts, once, before the save that follows a ``replace``."""
    half: str | None = None
    """What an ``apply`` that breaks off leaves behind."""
    closes_behind: str | None = None
    """A configuration that the box cannot be reached with."""

    prepared: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By token: what ran when it was laid down, and what is to run."""
    carrier: Carrier | None = None
    """What the default route goes over, when it is not as configured."""

    def __post_init__(self) -> None:
        self.startup = self.startup or self.running

    def tick(self) -> None:
        if self.fires_at is not None and self.clock.now() >= self.fires_at:
            self._go_back()

    def _go_back(self) -> None:
        self.running, self.fires_at, self.token = self.kept, None, ""

    def reboot(self) -> None:
        self.running, self.fires_at, self.token = self.startup, None, ""
        self.prepared.clear()

    def is_reached(self) -> bool:
        self.tick()
        return self.reachable and self.running != self.closes_behind

    async def do(self, verb: str, argument: str = "") -> str:
        await asyncio.sleep(0)
        if not self.is_reached():
            raise SessionDropped("the box is gone")
        self.verbs.append(verb)
        if verb in self.waits:
            await self.waits[verb].wait()
        if verb in self.restarts_before:
            self.restarts_before.remove(verb)
            self.reboot()
        if (error := self.before.pop(verb, None)) is not None:
            if verb == "apply" and self.half is not None:
                self.running = self.half
            raise error
        answer = getattr(self, f"_{verb}")(argument)
        if (error := self.after.pop(verb, None)) is not None:
            raise error
        return str(answer or "")

    def _way(self, _: str) -> None: ...

    def _show(self, _: str) -> str:
        return self.running

    def _arm(self, argument: str) -> None:
        token, seconds = argument.split()
        if self.token:
            raise CommandRefused("armed already")
        self.token, self.kept, self.litter = token, self.running, True
        self.fires_at = self.clock.now() + timedelta(seconds=int(seconds))

    def _apply(self, argument: str) -> None:
        self.running = argument

    def _prepare(self, argument: str) -> None:
        token, _, text = argument.partition(" ")
        self.prepared[token] = (self.running, text)

    def _strike(self, argument: str) -> None:
        token, _ = argument.split()
        ran, text = self.prepared.get(token, ("", ""))
        if ran != self.running:
            raise CommandRefused("it runs something else by now")
        self._arm(argument)
        self.running = text

    def _replace(self, argument: str) -> None:
        self.running = argument
        if self.restarts_after_replacing:
            self.restarts_after_replacing = False
            self.restarts_before.append("save")

    def _confirm(self, argument: str) -> None:
        if self.token not in ("", argument):
            raise CommandRefused("another's")
        self.token, self.fires_at, self.litter = "", None, False

    def _save(self, _: str) -> None:
        self.startup = self.running

    def _armed(self, _: str) -> str:
        return self.token

    def _revert(self, argument: str) -> None:
        if self.token != argument:
            raise CommandRefused("nothing is armed")
        self._go_back()


class BoxShell:
    """``ports.shell.Shell`` on a box: a verb and its argument are one command."""

    options: Mapping[str, str] = {}

    def __init__(self, box: GuardedBox, credential: Credential) -> None:
        self.box, self.credential = box, credential

    async def terminal(self, rules: PromptRules) -> Terminal:
        raise AssertionError(rules)

    async def execute(self, command: str) -> ExecResult:
        verb, _, argument = command.partition(" ")
        return ExecResult(await self.box.do(verb, argument), "", 0)


class BoxSessions:
    """``ports.sessions.Sessions`` with one box behind every address."""

    def __init__(self, box: GuardedBox, credential: Credential, manager: str = "10.100.7.9") -> None:
        self.box, self._credential, self._manager = box, credential, manager
        self.opened = 0

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[OpenedSession]:
        del target
        if not self.box.is_reached():
            raise ConnectFailed("nobody there")
        self.opened += 1
        yield OpenedSession(BoxShell(self.box, self._credential), "ssh-ed25519 AAAA", self._manager)


class BoxDriver:
    """``FullDriver``, ``Guarded`` and ``Replacing``."""

    spec = Spec(FAMILY, "Boxed", "#", (), (), features=frozenset(Feature))

    async def fetch(self, shell: Shell) -> Capture:
        return Capture((await shell.execute("show")).stdout, "", counted=True)

    async def facts(self, shell: Shell) -> Facts:
        del shell
        return Facts()

    def parse(self, text: str) -> CpeConfig:
        return from_data(json.loads(text))

    def render(self, current: str, wanted: CpeConfig) -> Script:
        return Script() if self.parse(current) == wanted else Script((text_of(wanted).replace("\n", " "),))

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        assert guard is not None
        for command in script.commands:
            await shell.execute(f"apply {text_of(self.parse(command))}")

    async def save(self, shell: Shell) -> None:
        await shell.execute("save")

    async def arm(self, shell: Shell, guard: Guard) -> None:
        await shell.execute(f"arm {guard.token} {guard.seconds}")

    async def armed(self, shell: Shell) -> str | None:
        return (await shell.execute("armed")).stdout or None

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        await shell.execute(f"confirm {guard.token}")

    async def revert(self, shell: Shell, guard: Guard) -> None:
        await shell.execute(f"revert {guard.token}")

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        del guard
        await shell.execute(f"replace {text}")


class SwiftBoxDriver(BoxDriver):
    """``Swift`` and ``Carrying`` besides."""

    async def prepare(self, shell: Shell, script: Script, guard: Guard) -> str:
        (command,) = script.commands
        await shell.execute(f"prepare {guard.token} {text_of(self.parse(command))}")
        return guard.token

    async def strike(self, shell: Shell, prepared: str, guard: Guard) -> None:
        assert prepared == guard.token
        await shell.execute(f"strike {guard.token} {guard.seconds}")

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        await shell.execute("way")
        if isinstance(shell, BoxShell) and shell.box.carrier is not None:
            return shell.box.carrier
        mobile = self.parse(text).mobile
        return Carrier.MOBILE if mobile is not None and mobile.preferred else Carrier.FIXED
