"""Every fault as a frozen dataclass. A new one is a class here, and its example in the roster.

`times` limits a fault: it happens that often, then the box is healed; 0 means until it is cleared. What counts as one
time depends on `scope`: a connection, a session, or one configuration being sent.

`at` says where in the configuration output something happens: below 1 a share of it, from 1 on a byte offset.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, get_type_hints


class Scope(enum.Enum):
    """When a fault strikes, and so what its `times` counts."""

    CONNECTION = "connection"
    SESSION = "session"
    CONFIG = "configuration output"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Base of all faults. benign: a correct client still gets the complete and true configuration."""

    name: ClassVar[str] = ""
    scope: ClassVar[Scope] = Scope.CONFIG
    benign: ClassVar[bool] = False

    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Fault):
    """No SSH service: each connection is reset at once, or (how=refused) the port is closed; `times` needs reset."""

    name: ClassVar[str] = "refuse"
    scope: ClassVar[Scope] = Scope.CONNECTION

    how: str = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerHang(Fault):
    """The connection is taken, and then nothing is ever sent: not even the SSH version."""

    name: ClassVar[str] = "banner_hang"
    scope: ClassVar[Scope] = Scope.CONNECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeyChanged(Fault):
    """Another host key is shown: an exchanged box, or somebody in between."""

    name: ClassVar[str] = "host_key_changed"
    scope: ClassVar[Scope] = Scope.CONNECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFailure(Fault):
    """No login is accepted, whatever the password or key."""

    name: ClassVar[str] = "auth_failure"
    scope: ClassVar[Scope] = Scope.CONNECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Fault):
    """Everything is sent in chunks of `chunk` bytes with `delay` seconds between them."""

    name: ClassVar[str] = "slow"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True

    chunk: int = 1024
    delay: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReads(Fault):
    """Everything is sent in chunks of 1 to `most` bytes, so that words and prompts are torn apart."""

    name: ClassVar[str] = "split_reads"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True

    most: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongPrompt(Fault):
    """The prompt shows another hostname: the session ended on another box."""

    name: ClassVar[str] = "wrong_prompt"
    scope: ClassVar[Scope] = Scope.SESSION

    hostname: str = "OTHER-0001"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostEcho(Fault):
    """What is typed is not echoed."""

    name: ClassVar[str] = "lost_echo"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ansi(Fault):
    """Colour codes around the prompt."""

    name: ClassVar[str] = "ansi"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorQuery(Fault):
    """Before each prompt the terminal is asked where its cursor is (ESC [6n), as BusyBox line editing does."""

    name: ClassVar[str] = "cursor_query"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPagerOff(Fault):
    """The pager stays on whatever the terminal length is set to. Without effect where the family has no pager."""

    name: ClassVar[str] = "no_pager_off"
    scope: ClassVar[Scope] = Scope.SESSION
    benign: ClassVar[bool] = True

    lines: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class HangAt(Fault):
    """Output stops and the connection stays open, silent for good."""

    name: ClassVar[str] = "hang_at"

    at: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAt(Fault):
    """Output stops and the TCP connection is reset."""

    name: ClassVar[str] = "drop_at"

    at: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class EofAt(Fault):
    """Output stops and the channel is closed in good order; exit_status below 0 sends none."""

    name: ClassVar[str] = "eof_at"

    at: float = 0.5
    exit_status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Fault):
    """The box restarts in the middle of the output and answers again after `down` seconds."""

    name: ClassVar[str] = "reboot"

    at: float = 0.5
    down: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(Fault):
    """Part of the configuration is missing though the prompt (exit status 0) comes back as always.

    unit is `bytes` or `lines`. keep_end: the last line is there, so only the middle is missing.
    """

    name: ClassVar[str] = "truncate"

    at: float = 0.5
    unit: str = "bytes"
    keep_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignConfig(Fault):
    """The configuration of another box is returned."""

    name: ClassVar[str] = "foreign_config"

    hostname: str = "OTHER-0001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk(Fault):
    """A configuration that looks complete, with its end mark, but has lost most of its sections."""

    name: ClassVar[str] = "shrunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply(Fault):
    """The command that shows the configuration is answered with the family's own error."""

    name: ClassVar[str] = "error_reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty(Fault):
    """The command that shows the configuration is answered with nothing."""

    name: ClassVar[str] = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage(Fault):
    """Bytes that are no text stand in the middle of the configuration."""

    name: ClassVar[str] = "garbage"

    at: float = 0.5
    size: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogNoise(Fault):
    """A log message that nobody asked for stands in the middle of the configuration, between lines or within one."""

    name: ClassVar[str] = "syslog_noise"

    at: float = 0.5
    mid_line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInConfig(Fault):
    """The box's own prompt is a line of free text in its configuration, and output rests for `pause` s after it.

    This is part of the true configuration, `Device.running_text()` has it too.
    """

    name: ClassVar[str] = "duplicate_prompt_in_config"
    benign: ClassVar[bool] = True

    pause: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCommand(Fault):
    """Base of what strikes when a command arrives, and not what it prints.

    session counts log-ins in which something was typed, from 1, since the fault was set; command counts what was typed
    in it, from 1. That many `commands` are struck, 0: this one and all that ever come behind it. done: the command has
    had its effect by then, half of its answer is out; else nothing of it is done.
    """

    scope: ClassVar[Scope] = Scope.COMMAND

    session: int = 1
    command: int = 1
    commands: int = 1
    done: bool = False

    def strikes(self, session: int, command: int) -> bool:
        if not self.commands:
            return (session, command) >= (self.session, self.command)
        return session == self.session and self.command <= command < self.command + self.commands


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAtCommand(AtCommand):
    """The TCP connection is reset in the middle of a command's line, or (done) of its answer."""

    name: ClassVar[str] = "drop_at_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAtCommand(AtCommand):
    """The path is cut when a command arrives: all connections go, none is made for `down` seconds; 0: until healed."""

    name: ClassVar[str] = "cut_at_command"

    down: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartAtCommand(AtCommand):
    """The box restarts when a command arrives, or (done) when it has had its effect; it is away for `down` seconds."""

    name: ClassVar[str] = "restart_at_command"

    down: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectCommand(AtCommand):
    """A command is refused in the family's own words and not done."""

    name: ClassVar[str] = "reject_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashFull(AtCommand):
    """No room where the box keeps its files: commands that write there are refused, others are done as always."""

    name: ClassVar[str] = "flash_full"
    benign: ClassVar[bool] = True

    commands: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StallAtCommand(AtCommand):
    """A command waits for `delay` seconds, or until the fault is cleared: before it is done, or (done) its answer."""

    name: ClassVar[str] = "stall_at_command"
    benign: ClassVar[bool] = True

    delay: float = 1.0


def fault_types() -> Mapping[str, type[Fault]]:
    """Fault name to class, sorted by name."""
    kinds = [kind for kind in (*Fault.__subclasses__(), *AtCommand.__subclasses__()) if kind.name]
    return MappingProxyType({kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)})


def make_fault(name: str, parameters: Mapping[str, str]) -> Fault:
    """Build a fault from text, as it comes from a command line.

    Raises ValueError for an unknown fault or parameter, and for a value that does not fit the parameter's type.
    """
    kinds = fault_types()
    if name not in kinds:
        raise ValueError(f"unknown fault {name!r}; known: {', '.join(kinds)}")
    kind = kinds[name]
    hints = get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    values: dict[str, object] = {}
    for key, text in parameters.items():
        if key not in known:
            raise ValueError(f"fault {name} has no parameter {key!r}; it has: {', '.join(known)}")
        values[key] = _convert(hints[key], text)
    return kind(**values)  # type: ignore[arg-type]


def _convert(kind: type, text: str) -> object:
    if kind is not bool:
        return kind(text)
    if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1", "yes")
