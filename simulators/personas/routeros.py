"""MikroTik router with RouterOS 7: menus, scripts, safe mode, a scheduler that runs by the box's clock."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulators.dialects.routeros_box import Box, hostname_of, session_id
from simulators.dialects.routeros_console import Console
from simulators.dialects.routeros_script import Chunk, Run
from simulators.dialects.routeros_tree import Style, Tree
from simulators.generate import routeros as generate
from simulators.generate.site import MOBILE_OPTION, make_site
from simulators.personas.base import Effect, Reply, Traits
from simulators.reach.others import routeros
from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import Alarm, DeviceState

_BANNER = "\n\n  MikroTik RouterOS {version} (simulated, no vendor's software inside)\n\nPress F1 for help\n\n"
_HIJACK = "Hijacking Safe Mode from someone - unroll/release/don't take it [u/r/d]: "


def _ready(state: DeviceState) -> tuple[Box, Console]:
    """The box, after whatever its scheduler had to do by now."""
    box = Box(state)
    console = Console(box)
    box.catch_up(lambda event: _by_itself(console, state, event))
    return box, console


def _by_itself(console: Console, state: DeviceState, event: str) -> None:
    if console.run(event).restart:
        state.restart()


def _wind(state: DeviceState) -> None:
    """Have the box run its next schedule with nobody there; after every command, for any may have changed one."""
    due = Box(state).next_run()
    if due is None:
        state.alarms.pop(_SCHEDULER, None)
    elif _SCHEDULER not in state.alarms or state.alarms[_SCHEDULER].due != due:
        state.set_alarm(_SCHEDULER, Alarm(due, _on_time))


def _on_time(state: DeviceState) -> None:
    box = Box(state)
    console = Console(box)
    restarts: list[bool] = []
    box.catch_up(lambda event: restarts.append(console.run(event).restart))
    if any(restarts):
        state.set_alarm("restart", Alarm(state.clock(), lambda _state: None, restart=True))
    else:
        _wind(state)


_SCHEDULER = "scheduler"


def _reply(chunks: list[Chunk], effect: Effect = Effect.NONE) -> Reply:
    """Output as one reply, the text of an export apart from what stands around it."""
    at = next((index for index, chunk in enumerate(chunks) if chunk.config), len(chunks))
    lead = "".join(chunk.text for chunk in chunks[:at])
    trail = "".join(chunk.text for chunk in chunks[at + 1 :])
    if at == len(chunks):
        return Reply(lead, effect=effect)
    return Reply(chunks[at].text, lead=lead, trail=trail, config=True, effect=effect)


class RouterOsDialogue:
    """One terminal session: the menu that it stands in, and whether it holds safe mode."""

    echo = True
    page_length = 0

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._menu = ""
        self._question = ""
        self._id = session_id(state)

    @property
    def _safe(self) -> bool:
        return Box(self._state).safe_owner() == self._id

    @property
    def single_key(self) -> bool:
        return self._question == _HIJACK

    @property
    def prompt(self) -> str:
        if self._question:
            return self._question
        path = f"/{self._menu.replace(' ', '/')}" if self._menu else ""
        who = f"[{self._state.spec.username}@{hostname_of(self._state)}]"
        return f"{who} {path}{'<SAFE>' if self._safe else '>'} "

    def greeting(self) -> str:
        return _BANNER.format(version=generate.VERSION)

    def feed(self, line: str) -> Reply:
        reply = self._fed(line)
        _wind(self._state)
        return reply

    def _fed(self, line: str) -> Reply:
        if self._question:
            return self._answer(line.strip())
        if not line.strip():
            return Reply()
        _, console = _ready(self._state)
        run = console.run(line, self._menu)
        self._menu = run.menu
        self._question = run.question
        if run.over:
            # Unlike a session that is cut, one that is left by `quit` keeps its changes.
            self._release()
            return _reply(run.chunks, Effect.CLOSE)
        return _reply(run.chunks, Effect.RESTART if run.restart else Effect.NONE)

    def control(self, key: str) -> Reply:
        if key == "D":
            self.hang_up()
            return Reply(effect=Effect.CLOSE)
        if key != "X":
            self._question = ""
            return Reply()
        box = Box(self._state)
        if self._safe:
            box.leave_safe_mode()
            return Reply("[Safe Mode released]\n")
        if box.safe_owner():
            self._question = _HIJACK
            return Reply()
        box.take_safe_mode(self._id)
        return Reply("[Safe Mode taken]\n")

    def hang_up(self) -> None:
        """The session is gone: what it did in safe mode is taken back."""
        if self._safe:
            Box(self._state).unroll()
            _wind(self._state)

    def _release(self) -> None:
        if self._safe:
            Box(self._state).leave_safe_mode()

    def _answer(self, line: str) -> Reply:
        question, self._question = self._question, ""
        if question != _HIJACK:
            return Reply("system will reboot shortly\n", effect=Effect.RESTART) if line.lower() == "y" else Reply()
        if line.lower() not in ("u", "r"):
            return Reply("\n")
        box = Box(self._state)
        if line.lower() == "u":
            box.unroll()
        else:
            box.leave_safe_mode()
        box.take_safe_mode(self._id)
        return Reply("\n[Safe Mode taken]\n")


class RouterOs:
    """The family `routeros`."""

    family = "routeros"
    summary = "MikroTik RouterOS 7: menus, scripts, export, safe mode, scheduler"
    options: Mapping[str, str] = MappingProxyType(
        {
            "export_error": "no|yes: whether one menu never answers an export",
            "mobile": f"{MOBILE_OPTION}; here it stands by in any case",
        }
    )
    traits = Traits(
        exec_newline="\r\n",
        noise="(6 messages not shown)\n2026/11/28 02:31:07 system,error,critical login failure for user admin via ssh",
        quiet_without_pty=False,
        ssh_software="ROSSSH",
        control_keys="CX",
        login_options="+",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        """What `/export terse show-sensitive` prints."""
        box, _ = _ready(state)
        return box.export("", {"terse", "show-sensitive"})

    def hostname(self, state: DeviceState) -> str:
        _ready(state)
        return hostname_of(state)

    def config_prompt(self, state: DeviceState) -> str:
        return f"[{state.spec.username}@{hostname_of(state)}] > "

    def dialogue(self, state: DeviceState) -> RouterOsDialogue:
        _ready(state)
        return RouterOsDialogue(state)

    def execute(self, state: DeviceState, command: str, _stdin: str) -> Reply:
        # A refused command ends with status 0 all the same: only what it printed tells.
        _, console = _ready(state)
        run: Run = console.run(command)
        # Nobody can answer a question on an exec channel: the box goes ahead.
        restart = run.restart or bool(run.question)
        _wind(state)
        return _reply(run.chunks, Effect.RESTART if restart else Effect.NONE)

    def booted(self, state: DeviceState) -> None:
        """The scheduler starts anew."""
        _wind(state)

    def reads_stdin(self, _command: str) -> bool:
        return False

    def change(self, state: DeviceState, text: str) -> None:
        _, console = _ready(state)
        run = console.run(text)
        if run.failed:
            raise ValueError(f"refused: {run.text.strip()}")
        _wind(state)

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        host = 10 + spec.rng(f"change {number}").randrange(200)
        return (
            f"/ip firewall nat add action=dst-nat chain=dstnat dst-port={10000 + number} in-interface-list=WAN "
            f"protocol=tcp to-addresses={make_site(spec).lan_net}.{host} comment=extra{number}"
        )

    def refusal(self, _command: str) -> Reply:
        return Reply("expected end of command (line 1 column 9)\n")

    def shrink(self, text: str) -> str:
        kept = ("#", "/interface bridge add", "/system identity", "/system note", "/tool")
        return "".join(line for line in text.splitlines(keepends=True) if line.startswith(kept))

    def plant(self, body: str, line: str) -> str:
        tree = Tree.read(body)
        tree.change("system note", [tree.single("system note")], {"note": f"see\n{line}\nand so on"})
        return tree.export(Style(terse=True, sensitive=True))

    def view(self, state: DeviceState, at: Surroundings) -> View:
        return routeros(state, at)

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (spec.secrets.login,)


PERSONA = RouterOs()
