"""What a family has to offer to be a virtual CPE: a `Persona`, and a `Dialogue` for each terminal session.

Both speak plain text with LF line ends and know nothing of SSH, of faults or of time other than the state's clock.
A family is one file in this package with a module-level `PERSONA`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import DeviceState


class Effect(enum.Enum):
    """What the front has to do once a reply's text is out."""

    NONE = enum.auto()
    CLOSE = enum.auto()
    RESTART = enum.auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to one command.

    config marks text that is the box's configuration: faults that damage configurations apply to it, and not to lead
    and trail, which are sent before and after it. error is what a shell writes to standard error. status is the exit
    status on an exec channel.
    """

    text: str = ""
    error: str = ""
    status: int = 0
    config: bool = False
    effect: Effect = Effect.NONE
    lead: str = ""
    trail: str = ""


@dataclass(frozen=True, slots=True)
class Traits:
    """Fixed habits of a family on the wire.

    exec_newline: line end of replies on an exec channel. more and wipe: pager prompt, and what removes it. noise: an
    unsolicited line that the box may print into a session. quiet_without_pty: neither prompt nor echo without a
    terminal, as a Unix shell. telnet_greeting, telnet_user, telnet_refused: what a log-in over Telnet prints before its
    first question, asks for the user with (`{host}` is the box's name), and answers to a wrong password. ssh_software:
    what its SSH server calls itself, behind `SSH-2.0-`. control_keys: what of Ctrl-C, Ctrl-X and Ctrl-Z the dialogue
    hears. login_options: what parts a user name from options behind it; empty where there are none.
    """

    exec_newline: str = "\n"
    more: str = "--More--"
    wipe: str = "\r        \r"
    noise: str = "kernel: eth1: link down"
    quiet_without_pty: bool = True
    telnet_greeting: str = ""
    telnet_user: str = "{host} login: "
    telnet_refused: str = "\nLogin incorrect\n"
    ssh_software: str = "SimCPE_1.0"
    control_keys: str = "CZ"
    login_options: str = ""


class Dialogue(Protocol):
    """One terminal session: lines in, replies out. The front prints `prompt` after each reply."""

    @property
    def prompt(self) -> str: ...

    @property
    def echo(self) -> bool:
        """False while a password is asked for."""
        ...

    @property
    def single_key(self) -> bool:
        """True while one key press is an answer, without Enter."""
        ...

    @property
    def page_length(self) -> int:
        """Lines on a page; 0 when the pager is off."""
        ...

    def greeting(self) -> str:
        """What is printed after login, before the first prompt."""
        ...

    def feed(self, line: str) -> Reply:
        """Answer a line that was typed, without its line end."""
        ...

    def control(self, key: str) -> Reply:
        """Answer Ctrl-`key` (`C`, `D` on an empty line, `Z`)."""
        ...


@runtime_checkable
class Narrow(Protocol):
    """A dialogue on a terminal whose line editor scrolls long lines sideways."""

    width: int
    """Columns; 0: a line is never scrolled."""


@runtime_checkable
class Attached(Protocol):
    """A dialogue that has to know when its session is gone."""

    def hang_up(self) -> None:
        """The channel is closed, in whatever way."""
        ...


@runtime_checkable
class Filing(Protocol):
    """A persona with an SCP server. Contents are text; bytes that are none travel as surrogate escapes."""

    def takes_files(self, state: DeviceState) -> bool:
        """Whether the server is on."""
        ...

    def put_file(self, state: DeviceState, path: str, content: str) -> str:
        """Keep a file; the reason if the box does not."""
        ...

    def get_file(self, state: DeviceState, path: str) -> str | None:
        """A file's content; None when there is none."""
        ...


@runtime_checkable
class Booting(Protocol):
    """A family whose boxes do something on their way up."""

    def booted(self, state: DeviceState, /) -> None:
        """The box has come up with what it had kept."""
        ...


@runtime_checkable
class Reached(Protocol):
    """A family whose boxes can be cut off by their own configuration."""

    def view(self, state: DeviceState, at: Surroundings, /) -> View:
        """What of the configuration in effect decides whether the box is reached."""
        ...


@runtime_checkable
class Admitting(Protocol):
    """A family whose boxes can be given accounts by their configuration."""

    def admits(self, state: DeviceState, username: str, password: str, /) -> bool:
        """Whether an account that somebody has configured has this name and password."""
        ...


class Persona(Protocol):
    """A device family. Stateless: what it changes is in the `DeviceState` that it is given."""

    @property
    def family(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def options(self) -> Mapping[str, str]:
        """Option name to its meaning; the first word of the meaning is the default."""
        ...

    @property
    def traits(self) -> Traits: ...

    def factory_config(self, spec: DeviceSpec) -> str:
        """The body of the generated configuration."""
        ...

    def running_text(self, state: DeviceState) -> str:
        """What the family's own command shows for the running configuration, to the letter."""
        ...

    def dialogue(self, state: DeviceState) -> Dialogue:
        """Start a terminal session."""
        ...

    def hostname(self, state: DeviceState) -> str:
        """The name that the box shows now; a configuration change can change it."""
        ...

    def config_prompt(self, state: DeviceState) -> str:
        """The prompt at which the running configuration can be shown."""
        ...

    def execute(self, state: DeviceState, command: str, stdin: str, /) -> Reply:
        """Run one command of an exec channel."""
        ...

    def reads_stdin(self, command: str, /) -> bool:
        """Whether an exec command needs what the client sends up to end of file."""
        ...

    def change(self, state: DeviceState, text: str) -> None:
        """Apply configuration lines in the family's language, as if somebody had typed them.

        Raises ValueError if the family does not take a line."""
        ...

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        """A harmless configuration change; another one for each number."""
        ...

    def refusal(self, command: str, /) -> Reply:
        """How the family says that it does not know a command."""
        ...

    def shrink(self, text: str) -> str:
        """A shown configuration with most sections gone and all outer marks of completeness intact."""
        ...

    def plant(self, body: str, line: str) -> str:
        """A configuration body that holds `line` as a line of free text."""
        ...

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        """Every spelling in which the device's own passwords occur in the generated configuration."""
        ...
