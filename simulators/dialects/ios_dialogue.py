"""A terminal session on a virtual IOS router: modes, questions, and the commands of enable mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from simulators.dialects import ios_files, ios_rollback, ios_show, ios_tables, ios_uplink
from simulators.dialects.commands import Match, Verdict, column_of, match
from simulators.dialects.ios_editor import IosEditor, Refusal
from simulators.dialects.ios_file_commands import FileCommands, Question
from simulators.dialects.ios_syntax import full_interface
from simulators.personas.base import Effect, Reply
from simulators.state import Alarm, DeviceState

_TCL_ESCAPE = re.compile(r"\\(.)")
LOCKED = "configuration lock"
"""Below this name in the scratch space: who holds configuration mode for himself."""
_ABORTED = "\n\n***\n*** --- SHUTDOWN ABORTED ---\n***\n\n"
SHOWS: Mapping[str, Callable[[DeviceState], str]] = MappingProxyType(
    {
        "show running-config": ios_show.running_text,
        "show startup-config": ios_show.startup_text,
        "show version": ios_show.version_text,
        "show inventory": ios_show.inventory_text,
        "show clock": ios_show.clock_text,
        "show ip interface brief": ios_tables.brief,
        "show ip interface": ios_tables.ip_interfaces,
        "show ipv6 interface": ios_tables.ipv6_interfaces,
        "show interfaces": ios_tables.interfaces,
        "show arp": ios_tables.arp,
        "show ip arp": ios_tables.arp,
        "show hosts": ios_tables.hosts,
        "show processes cpu": ios_tables.processor,
        "show memory statistics": ios_tables.memory,
        "show snmp chassis": ios_tables.chassis,
        "show archive": ios_rollback.shown,
        "show archive config rollback timer": ios_rollback.timer_shown,
    }
)
_USER = (
    "enable", "exit", "logout", "quit", "disable", "show version", "show clock", "show ip interface brief",
    "show inventory", "show privilege", "show hosts", "terminal length ...", "terminal width ...",
    "terminal no monitor", "terminal monitor", "show ip route ...", "ping ...",
)  # fmt: skip
_PRIVILEGED = (
    *_USER, "show running-config ...", *(name for name in SHOWS if name not in (*_USER, "show running-config")),
    "show archive config differences ...", "show archive config incremental-diffs ...", "show reload", "show flash:",
    "show file systems", "configure terminal ...", "configure replace ...", "configure confirm",
    "configure revert now", "configure revert timer ...", "archive config", "write", "write memory", "write terminal",
    "tclsh", "copy ...", "dir ...", "more ...", "delete ...", "verify ...", "reload ...",
)  # fmt: skip


def caret(line: str, word: int, indent: int) -> str:
    return f"{' ' * (indent + column_of(line, word))}^\n% Invalid input detected at '^' marker.\n\n"


class IosDialogue(FileCommands):
    """One terminal session."""

    def __init__(self, state: DeviceState, *, privileged: bool) -> None:
        super().__init__(state)
        self._privileged = privileged
        self._editor: IosEditor | None = None
        self._written = ""
        self._tcl: dict[str, list[str]] | None = None
        self._length = 24
        self.width = 0 if state.spec.options.get("width", "wide") == "wide" else 80
        """Columns of the terminal; 0: as many as are needed."""

    @property
    def prompt(self) -> str:
        if self._question is not None:
            return self._question.prompt
        name = ios_show.hostname_of(self._state)
        if self._tcl is not None:
            return f"{name}(tcl){'#' if self._privileged else '>'}"
        if self._editor is not None:
            # In configuration mode a long name is cut.
            return "" if self._editor.in_banner else f"{name[:20]}({self._editor.suffix})#"
        return f"{name}{'#' if self._privileged else '>'}"

    @property
    def echo(self) -> bool:
        return self._question is None or self._question.echo

    @property
    def single_key(self) -> bool:
        return self._question is not None and self._question.single_key

    @property
    def page_length(self) -> int:
        return self._length

    def greeting(self) -> str:
        return f"\n{ios_show.banner_of(self._state)}\n"

    def feed(self, line: str) -> Reply:
        if self._question is not None:
            question, self._question = self._question, None
            return question.answer(line.strip())
        if self._tcl is not None:
            return self._script(line)
        if self._editor is not None and self._editor.in_banner:
            return self._enter(line)
        if not line.strip() or line.lstrip().startswith("!"):
            return Reply()
        return self._command(line) if self._editor is None else self._configure(line)

    def control(self, key: str) -> Reply:
        if key == "D":
            return Reply(effect=Effect.CLOSE)
        self._question = self._tcl = None
        self._editor = None
        return Reply()

    # Commands

    def _command(self, line: str) -> Reply:
        command, _, behind = line.partition(" | ")
        found = match(command, _PRIVILEGED if self._privileged else _USER)
        if found.verdict is Verdict.INCOMPLETE:
            return Reply("% Incomplete command.\n\n")
        if found.verdict is Verdict.AMBIGUOUS:
            return Reply(f'% Ambiguous command:  "{line.strip()}"\n')
        if found.verdict is Verdict.UNKNOWN:
            return Reply(caret(line, found.wrong_word, len(self.prompt)), status=1)
        reply = self._run(found, line)
        if not behind:
            return reply
        kept = ios_show.filtered(reply.text, tuple(behind.split()))
        return Reply("% Invalid input detected.\n", status=1) if kept is None else Reply(kept)

    def _run(self, found: Match, line: str) -> Reply:
        command, rest = found.command, found.rest
        if command in SHOWS:
            return self._show(command, rest)
        handlers: dict[str, Callable[[tuple[str, ...]], Reply]] = {
            "enable": self._enable,
            "terminal length": self._set_length,
            "terminal width": self._set_width,
            "configure terminal": self._terminal,
            "configure replace": self._replace,
            "configure revert timer": self._postpone,
            "copy": self._copy,
            "dir": lambda words: Reply(ios_files.listing(self._state, words[0] if words else "")),
            "more": self._more,
            "verify": lambda words: Reply(ios_files.verified(self._state, words[-1] if words else "")),
            "delete": self._delete,
            "reload": self._reload,
            "show ip route": lambda words: Reply(ios_uplink.shown(self._state, words)),
            "ping": lambda words: Reply(ios_uplink.pinged(self._state, words)),
            "show archive config differences": self._differences,
            "show archive config incremental-diffs": self._incremental,
        }
        if command in handlers:
            return handlers[command](rest)
        return self._plain(command, line)

    def _plain(self, command: str, _line: str) -> Reply:
        """Commands that take no words."""
        state = self._state
        if command in ("exit", "logout", "quit"):
            return Reply(effect=Effect.CLOSE)
        if command == "tclsh":
            self._tcl = {}
        if command == "disable":
            self._privileged = False
        if command in ("write", "write memory"):
            return self._save()
        if command == "write terminal":
            return self._show("show running-config", ())
        said: dict[str, Callable[[], str]] = {
            "show privilege": lambda: f"Current privilege level is {15 if self._privileged else 1}\n",
            "show reload": self._reload_shown,
            "show flash:": lambda: ios_files.listing(state, "flash:"),
            "show file systems": lambda: "* flash: rw\n  system: rw\n  nvram: rw\n",
            "configure confirm": lambda: ios_rollback.confirm(state),
            "configure revert now": self._revert_now,
            "archive config": lambda: ios_rollback.archive_now(state),
        }
        return Reply(said[command]() if command in said else "")

    def _show(self, command: str, rest: tuple[str, ...]) -> Reply:
        text = SHOWS[command](self._state)
        if not rest or rest == ("all",):
            return Reply(text, config=command.endswith("-config"))
        if "interface".startswith(rest[0]):
            name = full_interface("".join(rest[1:])) or " ".join(rest[1:])
            return Reply(ios_show.section(text, f"interface {name}"))
        return Reply(ios_show.section(text, " ".join(rest)))

    def _set_length(self, rest: tuple[str, ...]) -> Reply:
        if not rest:
            return Reply("% Incomplete command.\n\n")
        if not rest[0].isdecimal():
            return Reply("% Invalid input detected.\n")
        self._length = int(rest[0])
        return Reply()

    def _set_width(self, rest: tuple[str, ...]) -> Reply:
        if not rest or not rest[0].isdecimal() or self._state.spec.options.get("width") == "stuck":
            return Reply("% Invalid input detected.\n")
        self.width = int(rest[0])
        return Reply()

    def _enable(self, _rest: tuple[str, ...], tries: int = 0) -> Reply:
        if self._privileged:
            return Reply()

        def check(password: str) -> Reply:
            if password == self._state.spec.secrets.enable:
                self._privileged = True
                return Reply()
            return self._enable((), tries + 1) if tries < 2 else Reply("% Bad secrets\n\n")

        self._question = Question("Password: ", check, echo=False)
        return Reply()

    # Restart

    def _reload(self, rest: tuple[str, ...]) -> Reply:
        if rest[:1] and "cancel".startswith(rest[0]):
            scheduled = self._state.alarms.pop("reload", None)
            return Reply(_ABORTED if scheduled else "%No reload is scheduled.\n")
        due: datetime | None = None
        if rest[:1] == ("in",):
            minutes = _minutes(rest[1]) if len(rest) > 1 else None
            if minutes is None:
                return Reply("% Incomplete command.\n\n" if len(rest) < 2 else "% Invalid input detected.\n")
            due = self._state.clock() + timedelta(minutes=minutes)
        elif rest:
            return Reply(caret(f"reload {' '.join(rest)}", 1, len(self.prompt)), status=1)
        if self._state.running == self._state.startup:
            return self._proceed(due)

        def answered(answer: str) -> Reply:
            saved = self._save().text if answer.lower().startswith("y") else ""
            return Reply(saved + self._proceed(due).text)

        return self._ask("\nSystem configuration has been modified. Save? [yes/no]: ", answered)

    def _proceed(self, due: datetime | None) -> Reply:
        def act() -> Reply:
            if due is None:
                return Reply("\n", effect=Effect.RESTART)
            self._state.set_alarm("reload", Alarm(due, lambda _state: None, restart=True))
            return Reply("\n")

        return self._confirm("Proceed with reload? [confirm]", act, self._scheduled(due) if due else "")

    def _scheduled(self, due: datetime) -> str:
        minutes = max(1, round((due - self._state.clock()).total_seconds() / 60))
        when = due.strftime("%H:%M:%S UTC %a %b %d %Y")
        return (
            f"Reload scheduled for {when} (in {minutes} minutes) by {self._state.spec.username} on vty0 (127.0.0.1)\n"
        )

    def _reload_shown(self) -> str:
        alarm = self._state.alarms.get("reload")
        return self._scheduled(alarm.due) if alarm else "No reload is scheduled.\n"

    # Tcl

    def _script(self, line: str) -> Reply:
        """As much of Tcl as gathers lines in a list and has them configured; what else is typed is run as a command."""
        assert self._tcl is not None
        words = line.strip().split(None, 2)
        if line.strip() in ("tclquit", "exit"):
            self._tcl = None
            return Reply()
        if words[:1] == ["set"] and words[2:] == ["{}"]:
            self._tcl[words[1]] = []
            return Reply("\n")
        if words[:1] == ["lappend"] and len(words) == 3:
            found = self._tcl.setdefault(words[1], [])
            found.append(_TCL_ESCAPE.sub(r"\1", words[2].removeprefix('"').removesuffix('"')))
            return Reply(" ".join(f"{{{one}}}" for one in found) + "\n")
        if words[:2] == ["eval", "ios_config"] and len(words) == 3 and words[2].startswith("$"):
            return self._configured(self._tcl.get(words[2][1:], []))
        return Reply(f'invalid command name "{words[0]}"\n' if words else "")

    def _configured(self, lines: list[str]) -> Reply:
        """`ios_config`: into configuration mode, each line in turn whatever became of the one before, and out again."""
        said = [] if not self._state.scratch.get(LOCKED) else [self._terminal(()).text]
        if not said:
            self._terminal(())
            for line in lines:
                reply = self._configure(line)
                while self._question is not None:
                    question, self._question = self._question, None
                    reply = question.answer("yes")
                said.append(reply.text)
        self._editor = None
        return Reply("".join(said))

    # Configuration mode

    def _terminal(self, rest: tuple[str, ...]) -> Reply:
        said = ""
        if self._state.scratch.get(LOCKED):
            return Reply(
                f"Configuration mode locked exclusively by user '{self._state.scratch[LOCKED]}' process '70' "
                "from terminal '3'. Please try later.\n"
            )
        if rest:
            if rest[:2] != ("revert", "timer") or len(rest) < 3 or not rest[2].isdecimal():
                return Reply(caret(f"configure terminal {' '.join(rest)}", 2, len(self.prompt)), status=1)
            said = ios_rollback.arm(self._state, self._state.running, int(rest[2]))
            if said == ios_rollback.OFF:
                return Reply(said)
        self._written = self._state.running
        self._editor = IosEditor(self._written, asks=True)
        return Reply(f"{said}Enter configuration commands, one per line.  End with CNTL/Z.\n")

    def _configure(self, line: str) -> Reply:
        assert self._editor is not None
        word, _, rest = line.strip().partition(" ")
        if word == "end":
            self._editor = None
        elif word in ("exit", "quit"):
            if self._editor.in_block:
                self._editor.leave()
            else:
                self._editor = None
        elif word == "do":
            return self._command(rest)
        else:
            return self._enter(line)
        return Reply()

    def _enter(self, line: str, *, sure: bool = False) -> Reply:
        assert self._editor is not None
        if self._state.running != self._written:
            # Somebody else, or a timer, has changed it in the meantime.
            self._editor.reload(self._state.running)
        outcome = self._editor.enter(line, sure=sure)
        if isinstance(outcome, Refusal):
            if outcome.incomplete:
                return Reply("% Incomplete command.\n\n")
            return Reply(outcome.text or caret(line, outcome.place, len(self.prompt)))
        if outcome is not None and outcome.endswith("[confirm]"):
            return self._confirm(outcome, lambda: self._enter(line, sure=True))
        if outcome is not None:
            return self._ask(outcome, lambda answer: self._sure(line, answer))
        self._written = self._editor.text()
        if self._written != self._state.running:
            self._state.replace_running(self._written, self._state.spec.username)
        return Reply()

    def _sure(self, line: str, answer: str) -> Reply:
        return self._enter(line, sure=True) if answer.lower().startswith("y") else Reply()


def _minutes(words: str) -> int | None:
    """`10` or `1:30` in minutes."""
    parts = words.split(":")
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        return None
    return sum(int(part) * unit for part, unit in zip(reversed(parts), (1, 60), strict=False))
