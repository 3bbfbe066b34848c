"""IOS router: user and enable mode, pager, configuration mode, startup and running configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulators.dialects.commands import Match, Verdict, column_of, match
from simulators.dialects.ios_editor import IosEditor, Refusal
from simulators.dialects.ios_show import SHOWS, banner_of, filtered, hostname_of, running_text, shrink
from simulators.generate import cisco_ios as generate
from simulators.generate.site import make_site
from simulators.personas.base import Effect, Reply, Traits
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_ERASE = "\b" * 10
_USER = (
    "enable", "exit", "logout", "quit", "disable", "show version", "show clock", "show ip interface brief",
    "show inventory", "show privilege", "terminal length ...", "terminal width ...", "terminal no monitor",
)  # fmt: skip
_PRIVILEGED = (
    *_USER, "show running-config ...", "show startup-config ...", "configure terminal", "write", "write memory",
    "write terminal", "copy running-config startup-config", "reload",
)  # fmt: skip
_SAVED = "Building configuration...\n[OK]\n"


def _invalid(line: str, word: int, indent: int) -> str:
    return f"{' ' * (indent + column_of(line, word))}^\n% Invalid input detected at '^' marker.\n\n"


class IosDialogue:
    """One terminal session. `question` holds what the box is waiting for besides a command."""

    def __init__(self, state: DeviceState, privileged: bool) -> None:
        self._state = state
        self._privileged = privileged
        self._editor: IosEditor | None = None
        self._question = ""
        self._asked = ""
        self._pending = ""
        self._tries = 0
        self._length = 24

    @property
    def prompt(self) -> str:
        if self._question == "enable":
            return "Password: "
        if self._question == "destination":
            return "Destination filename [startup-config]? "
        if self._question == "reload":
            return "Proceed with reload? [confirm]"
        if self._question == "line":
            return self._asked
        if self._editor is not None and self._editor.in_banner:
            return ""
        if self._question == "unsaved":
            return "System configuration has been modified. Save? [yes/no]: "
        name = hostname_of(self._state)
        if self._editor is not None:
            return f"{name}({self._editor.suffix})#"
        return f"{name}{'#' if self._privileged else '>'}"

    @property
    def echo(self) -> bool:
        return self._question != "enable"

    @property
    def single_key(self) -> bool:
        return self._question == "reload"

    @property
    def page_length(self) -> int:
        return self._length

    def greeting(self) -> str:
        return f"\n{banner_of(self._state)}\n"

    def feed(self, line: str) -> Reply:
        if self._question:
            return self._answer(line.strip())
        if self._editor is not None and self._editor.in_banner:
            return self._enter(line)
        if not line.strip() or line.lstrip().startswith("!"):
            return Reply()
        if self._editor is not None:
            return self._configure(line)
        return self._command(line)

    def control(self, key: str) -> Reply:
        if key == "D":
            return Reply(effect=Effect.CLOSE)
        self._question = ""
        if self._editor is not None:
            self._end_configuration()
        return Reply()

    def _command(self, line: str) -> Reply:
        found = match(line, _PRIVILEGED if self._privileged else _USER)
        problem = self._problem(line, found)
        return problem or self._run(found)

    def _problem(self, line: str, found: Match) -> Reply | None:
        if found.verdict is Verdict.INCOMPLETE:
            return Reply("% Incomplete command.\n\n")
        if found.verdict is Verdict.AMBIGUOUS:
            return Reply(f'% Ambiguous command:  "{line.strip()}"\n')
        if found.verdict is Verdict.UNKNOWN:
            return Reply(_invalid(line, found.wrong_word, len(self.prompt)), status=1)
        return None

    def _run(self, found: Match) -> Reply:
        command = found.command
        if command in SHOWS:
            return self._show(command, found.rest)
        if command == "enable":
            self._question, self._tries = ("" if self._privileged else "enable"), 0
        elif command == "disable":
            self._privileged = False
        elif command in ("exit", "logout", "quit"):
            return Reply(effect=Effect.CLOSE)
        elif command == "terminal length":
            return self._set_length(found.rest)
        elif command == "configure terminal":
            self._editor = IosEditor(self._state.running, asks=True)
            return Reply("Enter configuration commands, one per line.  End with CNTL/Z.\n")
        elif command in ("write", "write memory"):
            self._state.save()
            return Reply(_SAVED)
        elif command == "write terminal":
            return self._show("show running-config", ())
        elif command == "copy running-config startup-config":
            self._question = "destination"
        elif command == "reload":
            changed = self._state.running != self._state.startup
            self._question = "unsaved" if changed else "reload"
            return Reply("\n" if changed else "")
        elif command == "show privilege":
            return Reply(f"Current privilege level is {15 if self._privileged else 1}\n")
        return Reply()

    def _show(self, command: str, rest: tuple[str, ...]) -> Reply:
        text = SHOWS[command](self._state)
        if not rest:
            return Reply(text, config=command.endswith("-config"))
        kept = filtered(text, rest)
        return Reply("% Invalid input detected.\n", status=1) if kept is None else Reply(kept)

    def _set_length(self, rest: tuple[str, ...]) -> Reply:
        if not rest:
            return Reply("% Incomplete command.\n\n")
        if not rest[0].isdecimal():
            return Reply("% Invalid input detected.\n")
        self._length = int(rest[0])
        return Reply()

    def _answer(self, line: str) -> Reply:
        question, self._question = self._question, ""
        if question == "enable":
            return self._check_enable(line)
        if question == "destination":
            self._state.save()
            return Reply(_SAVED)
        if question == "unsaved":
            if line.lower().startswith("y"):
                self._state.save()
            self._question = "reload"
            return Reply(_SAVED if line.lower().startswith("y") else "")
        if question == "line":
            return self._sure(line)
        if line.lower() in ("", "y"):
            return Reply("\n", effect=Effect.RESTART)
        return Reply()

    def _check_enable(self, password: str) -> Reply:
        if password == self._state.spec.secrets.enable:
            self._privileged = True
            return Reply()
        self._tries += 1
        if self._tries < 3:
            self._question = "enable"
            return Reply()
        return Reply("% Bad secrets\n\n")

    def _configure(self, line: str) -> Reply:
        assert self._editor is not None
        word, _, rest = line.strip().partition(" ")
        if word == "end":
            self._end_configuration()
            return Reply()
        if word in ("exit", "quit"):
            if self._editor.in_block:
                self._editor.leave()
            else:
                self._end_configuration()
            return Reply()
        if word == "do":
            return self._command(rest)
        return self._enter(line)

    def _enter(self, line: str) -> Reply:
        assert self._editor is not None
        outcome = self._editor.enter(line)
        if isinstance(outcome, Refusal):
            if outcome.incomplete:
                return Reply("% Incomplete command.\n\n")
            return Reply(outcome.text or _invalid(line, outcome.place, len(self.prompt)))
        if outcome is not None:
            self._question, self._asked, self._pending = "line", outcome, line
            return Reply()
        self._state.replace_running(self._editor.text(), self._state.spec.username)
        return Reply()

    def _sure(self, answer: str) -> Reply:
        assert self._editor is not None
        if answer.lower().startswith("y"):
            self._editor.enter(self._pending, sure=True)
            self._state.replace_running(self._editor.text(), self._state.spec.username)
        return Reply()

    def _end_configuration(self) -> None:
        self._editor = None


class CiscoIos:
    """The family `cisco_ios`."""

    family = "cisco_ios"
    summary = "IOS router: user and enable mode, pager, configure terminal, reload"
    options: Mapping[str, str] = MappingProxyType(
        {
            "login": "user|privileged: the mode after login",
            "password_encryption": "no|yes: type 7 line passwords",
            "banner": "tricky|plain: whether the banner has a line like a prompt",
        }
    )
    traits = Traits(
        exec_newline="\r\n",
        more=" --More-- ",
        wipe=f"{_ERASE}{' ' * 10}{_ERASE}",
        noise="*Nov 23 02:31:07.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down",
        quiet_without_pty=False,
        telnet_greeting="\n\nUser Access Verification\n\n",
        telnet_user="Username: ",
        telnet_refused="% Login invalid\n\n",
        ssh_software="Cisco-1.25",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        return running_text(state)

    def hostname(self, state: DeviceState) -> str:
        return hostname_of(state)

    def config_prompt(self, state: DeviceState) -> str:
        return f"{hostname_of(state)}#"

    def dialogue(self, state: DeviceState) -> IosDialogue:
        return IosDialogue(state, state.spec.options.get("login", "user") == "privileged")

    def execute(self, state: DeviceState, command: str, _stdin: str) -> Reply:
        # One command leaves no room for `enable`: an exec channel runs at the user's own level, 15 here.
        return IosDialogue(state, privileged=True).feed(command)

    def reads_stdin(self, _command: str) -> bool:
        return False

    def change(self, state: DeviceState, text: str) -> None:
        editor = IosEditor(state.running)
        for line in text.splitlines():
            if line.strip() in ("exit", "end"):
                editor.leave()
            elif line.strip() and isinstance(problem := editor.enter(line), Refusal):
                raise ValueError(f"{self.family} does not take {line!r}: {problem}")
        state.replace_running(editor.text(), "console")

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        rng = spec.rng(f"change {number}")
        host, port = rng.randrange(10, 250), 10000 + number
        return f"ip nat inside source static tcp {make_site(spec).lan_net}.{host} {port} interface Dialer1 {port}"

    def refusal(self, _command: str) -> Reply:
        return Reply("^\n% Invalid input detected at '^' marker.\n\n", status=1)

    def shrink(self, text: str) -> str:
        return shrink(text)

    def plant(self, body: str, line: str) -> str:
        return body.replace("banner motd ^C\n", f"banner motd ^C\n{line}\n", 1)

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (generate.user_secret(spec), generate.enable_secret(spec), generate.line_password(spec))


PERSONA = CiscoIos()
