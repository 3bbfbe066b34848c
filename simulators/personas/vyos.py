"""VyOS router: operational and configuration mode, commits, commit-confirm that reverts, revisions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulators.dialects import vyos_box
from simulators.dialects.shell import Call, Shell, Tool
from simulators.dialects.shell_words import split_words
from simulators.dialects.vyos_config import parse_set_lines, set_lines
from simulators.dialects.vyos_edit import ConfigSession
from simulators.dialects.vyos_shell import (
    PIPES,
    BoxFiles,
    abbreviations,
    op_tools,
    shell_of,
    show,
    unix_tools,
)
from simulators.generate import vyos as generate
from simulators.generate.site import MOBILE_OPTION, make_site
from simulators.personas.base import Effect, Reply, Traits
from simulators.reach.others import vyos
from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_NO_SAVE = "Warning: configuration changes have not been saved.\n"
_CANNOT_EXIT = "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n"
_YES = ("", "y", "ye", "yes")

Verb = Callable[[list[str]], Reply]


class VyosDialogue:
    """One terminal session. `_answer` takes the answer to the question that the box asks, if it asks one."""

    echo = True
    single_key = False

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._length = 24
        self._paged = False
        self._question = ""
        self._answer: Callable[[str], Reply] | None = None
        self._session: ConfigSession | None = None
        # Like any shell, this one has read the host's name when it started.
        self._name = self._config_name = vyos_box.hostname(state)
        self._op = shell_of(state, self._op_tools(), "-vbash")
        self._cfg = shell_of(state, {}, "vbash")

    @property
    def prompt(self) -> str:
        if self._question:
            return self._question
        user = self._state.spec.username
        if self._session is None:
            return f"{user}@{self._name.partition('.')[0]}:~$ "
        return f"[{' '.join(['edit', *self._session.level])}]\n{user}@{self._config_name}# "

    @property
    def page_length(self) -> int:
        return self._length if self._paged else 0

    def greeting(self) -> str:
        banner = re.search(r"^set system login banner post-login '(.*)'$", self._state.running, re.MULTILINE)
        text = banner.group(1).replace("\\n", "\n") + "\n" if banner else ""
        return f"Welcome to VyOS!\n\nVyOS {vyos_box.full_release(self._state)}\n{text}"

    def feed(self, line: str) -> Reply:
        if self._answer is not None:
            answer, self._answer, self._question = self._answer, None, ""
            return answer(line.strip().lower())
        if not line.strip() or line.lstrip().startswith("#"):
            return Reply()
        first = line.split(maxsplit=1)[0]
        tools = self._op.tools if self._session is None else self._cfg.tools
        shows = tools.get(first) in (tools.get("show"), tools.get("compare"))
        self._paged = shows and "|" not in line and first in tools
        return (self._op if self._session is None else self._cfg).run(line)

    def control(self, key: str) -> Reply:
        self._answer, self._question = None, ""
        if key != "D":
            return Reply()
        return Reply(effect=Effect.CLOSE) if self._session is None else self._exit([])

    def _ask(self, question: str, answer: Callable[[str], Reply]) -> Reply:
        """Ask something in the prompt's place. What stands above the question's last line is printed."""
        head, _, self._question = question.rpartition("\n")
        self._answer = answer
        return Reply(f"{head}\n" if head else "")

    def _op_tools(self) -> dict[str, Tool]:
        tools = op_tools(self._state)
        plain_reboot = tools["reboot"]
        tools["set"] = self._set_terminal
        tools.update(dict.fromkeys(abbreviations("configure", ("configure", "reboot", "set", "show")), self._configure))
        tools["reboot"] = lambda call: plain_reboot(call) if call.words else self._reboot()
        return tools

    def _reboot(self) -> Reply:
        name = vyos_box.hostname(self._state)
        warning = ""
        if vyos_box.differs_from_saved(self._state):
            warning = (
                "Warning: there are unsaved configuration changes!\n"
                "Run 'save' command if you do not want to lose those changes after reboot/shutdown.\n"
            )
        question = f"{warning}Are you sure you want to reboot this system ({name})? [y/N] "
        return self._ask(question, lambda said: Reply(effect=Effect.RESTART if said in _YES[1:] else Effect.NONE))

    def _set_terminal(self, call: Call) -> Reply:
        words = call.words
        if words[:2] == ["terminal", "length"] and len(words) == 3 and words[2].isdecimal():
            self._length = int(words[2])
        elif words[:2] not in (["terminal", "width"], ["terminal", "pager"], ["terminal", "key"]):
            return Reply(error=f"\n  Invalid command: set [{' '.join(words)}]\n\n", status=1)
        return Reply()

    def _configure(self, _call: Call) -> Reply:
        self._session = ConfigSession(self._state, self._state.spec.username)
        self._config_name = vyos_box.hostname(self._state)
        self._cfg = shell_of(self._state, self._config_tools(self._session), "vbash")
        return Reply()

    def _config_tools(self, session: ConfigSession) -> dict[str, Tool]:
        files = BoxFiles(self._state)
        verbs: dict[str, Verb] = {
            "set": lambda words: session.change("set", words),
            "delete": lambda words: session.change("delete", words),
            "edit": session.edit,
            "up": lambda _words: session.up(),
            "top": self._top,
            "show": session.show,
            "compare": session.compare,
            "commit": self._commit,
            "commit-confirm": self._commit_confirm,
            "confirm": lambda _words: self._confirm(),
            "discard": lambda _words: session.discard(),
            "exit": self._exit,
            "save": lambda words: session.save(words, files.write),
            "load": lambda words: session.load(words, files.read),
            "merge": lambda words: session.load(words, files.read, merge=True),
            "rollback": self._rollback,
            "rollback-soft": self._rollback_soft,
            "run": self._run,
        }
        tools = unix_tools(self._state) | dict(PIPES)
        for name, verb in verbs.items():
            tools.update(dict.fromkeys(abbreviations(name), functools.partial(_call, verb)))
        tools["reboot"] = lambda _call: Reply("Exit from configure mode before rebooting.\n", status=1)
        return tools

    def _run(self, words: list[str]) -> Reply:
        if not words:
            return Reply("\n  Incomplete command: run\n\n", status=1)
        tool = self._op.tools.get(words[0])
        if tool is None or words[0] == "configure":
            return Reply(error=f"\n  Invalid command:  [{words[0]}]\n\n", status=1)
        return tool(Call(self._op, words[1:], ""))

    def _top(self, _words: list[str]) -> Reply:
        assert self._session is not None
        at_root = not self._session.level
        self._session.level = ()
        return Reply("Already at the top level\n" if at_root else "")

    def _commit(self, words: list[str]) -> Reply:
        assert self._session is not None
        if words[:1] == ["confirm"]:
            return Reply("Use commit-confirm command\n", status=1)
        comment = words[1] if words[:1] == ["comment"] and len(words) > 1 else "commit"
        return self._session.commit(comment)

    def _commit_confirm(self, words: list[str]) -> Reply:
        session = self._session
        assert session is not None
        if not session.changed:
            return session.commit()
        if vyos_box.CONFIRM in self._state.alarms:
            return Reply("Another confirm is pending\n", status=1)
        minutes = int(words[0]) if words and words[0].isdecimal() else 10
        reloads = vyos_box.reloads(self._state)
        what = "reload previous config" if reloads else "reboot"
        unsaved = not reloads and vyos_box.differs_from_saved(self._state)
        head = "\nYou should save previous commits before commit-confirm !\n" if unsaved else ""

        def answered(said: str) -> Reply:
            if said not in _YES:
                return Reply("commit-confirm canceled\n", status=1)
            vyos_box.start_confirm(self._state, minutes)
            done = session.commit("commit-confirm", archive=False)
            end = "reload" if reloads else "reboot"
            return Reply(f"Initialized commit-confirm; {minutes} minutes to confirm before {end}\n{done.text}")

        return self._ask(
            f"{head}\ncommit-confirm will automatically {what} in {minutes} minutes unless changes\n"
            "are confirmed.\n\nProceed ? [Y/n] ",
            answered,
        )

    def _confirm(self) -> Reply:
        if self._state.alarms.pop(vyos_box.CONFIRM, None) is None:
            return Reply("No confirm pending\n")
        vyos_box.keep_revision(self._state, self._state.spec.username, "commit-confirm")
        return Reply(f"{'Reload' if vyos_box.reloads(self._state) else 'Reboot'} timer stopped\n")

    def _rollback(self, words: list[str]) -> Reply:
        if len(words) != 1:
            return Reply("Error: must include a revision # to rollback to\n", status=1)
        number = self._revision(words[0])
        if number is None:
            return self._no_revision(words[0])

        def answered(said: str) -> Reply:
            if said not in _YES:
                return Reply("Canceling rollback\n")
            self._state.startup = vyos_box.revision(self._state, number)
            return Reply(effect=Effect.RESTART)

        return self._ask("Proceed with reboot ? [Y/n] ", answered)

    def _rollback_soft(self, words: list[str]) -> Reply:
        assert self._session is not None
        number = self._revision(words[0]) if len(words) == 1 else None
        if number is None:
            return self._no_revision(" ".join(words))
        self._session.replace(parse_set_lines(vyos_box.revision(self._state, number)))
        return Reply(
            "Rollback diff has been applied.\n"
            'Use "compare" to review the changes or "commit" to apply them.\n'
        )  # fmt: skip

    def _revision(self, word: str) -> int | None:
        number = int(word) if word.isdecimal() else 0
        return number if 0 < number < vyos_box.revisions(self._state) else None

    def _no_revision(self, word: str) -> Reply:
        most = vyos_box.revisions(self._state)
        return Reply(f"Invalid revision number {word}: must be 0 < rev < {most}\n", status=1)

    def _exit(self, words: list[str]) -> Reply:
        session = self._session
        assert session is not None
        if words and not (len(words) == 1 and "discard".startswith(words[0])):
            return Reply(f"Invalid argument \"{' '.join(words)}\" for 'exit'\n", status=1)
        if session.level:
            session.level = ()
            return Reply()
        if session.changed and not words:
            return Reply(_CANNOT_EXIT, status=1)
        self._session = None
        return Reply((_NO_SAVE if session.unsaved else "") + "exit\n")


def _call(verb: Verb, call: Call) -> Reply:
    return verb(call.words)


class Vyos:
    """The family `vyos`."""

    family = "vyos"
    summary = "VyOS router: operational and configuration mode, commit, commit-confirm, revisions"
    options: Mapping[str, str] = MappingProxyType(
        {
            "mobile": MOBILE_OPTION,
            "release": "1.4|1.5: 1.5 has other names in the DHCP server, and can reload where 1.4 restarts",
            "save": "spoken|silent: whether `save` says what it did, as some releases do and others do not",
        }
    )
    traits = Traits(more=":", wipe="\r\x1b[K", noise="[ 8123.456789] e1000 0000:00:03.0 eth1: NIC Link is Down")

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        return show(state, ["configuration", "commands"]).text

    def admits(self, state: DeviceState, username: str, password: str, /) -> bool:
        user = f"set system login user {username} authentication plaintext-password '{password}'"
        return bool(password) and user in state.running.splitlines()

    def hostname(self, state: DeviceState) -> str:
        return vyos_box.hostname(state)

    def config_prompt(self, state: DeviceState) -> str:
        return f"{state.spec.username}@{vyos_box.hostname(state).partition('.')[0]}:~$ "

    def dialogue(self, state: DeviceState) -> VyosDialogue:
        return VyosDialogue(state)

    def execute(self, state: DeviceState, command: str, stdin: str) -> Reply:
        if re.fullmatch(r"\s*(?:/bin/)?v?bash( -s)?\s*", command):
            return _script(state, stdin)
        return _shell(state).run(command, stdin)

    def reads_stdin(self, command: str) -> bool:
        return bool(re.fullmatch(r"\s*(?:/bin/)?v?bash( -s)?\s*", command) or re.search(r"\bcat( -)? *>", command))

    def change(self, state: DeviceState, text: str) -> None:
        session = ConfigSession(state, state.operator or "vyos")
        for line in text.splitlines():
            words = _words(line)
            if not words or words == ["commit"]:
                continue
            if words[0] not in ("set", "delete") or session.change(words[0], words[1:]).status:
                raise ValueError(f"not a line of {self.family}: {line!r}")
        if session.changed and (said := session.commit().text):
            raise ValueError(f"{self.family} refuses to commit: {said.strip()}")

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        host, port = 10 + spec.rng(f"change {number}").randrange(200), 10000 + number
        rule = f"set nat destination rule {5000 + number}"
        return (
            f"{rule} destination port '{port}'\n{rule} inbound-interface name 'pppoe0'\n{rule} protocol 'tcp'\n"
            f"{rule} translation address '{make_site(spec).lan_net}.{host}'\n{rule} translation port '{port}'"
        )

    def refusal(self, command: str) -> Reply:
        return Reply(error=f"\n  Invalid command:  [{command.partition(' ')[0]}]\n\n", status=1)

    def shrink(self, text: str) -> str:
        return "".join(line for line in text.splitlines(keepends=True) if line.startswith("set system"))

    def plant(self, body: str, line: str) -> str:
        """In the banner: the one place for free text of several lines, which are written with `\\n`."""
        banner = f"set system login banner pre-login 'see\\n{line}\\nand so on'\n"
        return set_lines(parse_set_lines(body + banner))

    def view(self, state: DeviceState, at: Surroundings) -> View:
        view = vyos(self.running_text(state), at)
        if not state.mobile_up:
            view.mobile.clear()
        return view

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (generate.login_hash(spec),)


_PLAIN = re.compile(r"(?P<words>[^'\"\\#]*[^'\"\\#\s])(?: '(?P<value>[^']*)')?\s*")


def _words(line: str) -> list[str]:
    """The words of a line as the shell splits it, at once where it is like those that the box prints."""
    found = _PLAIN.fullmatch(line)
    if found is None:
        return split_words(line)
    return [*found["words"].split(), *([] if found["value"] is None else [found["value"]])]


def _shell(state: DeviceState) -> Shell:
    return shell_of(state, unix_tools(state), "vbash: line 1")


def _script(state: DeviceState, text: str) -> Reply:
    """A script on standard input, as `script-template` lets one use both modes."""
    dialogue, said, status = VyosDialogue(state), "", 0
    for line in text.splitlines():
        if line.startswith(("source ", "#")):
            continue
        reply = dialogue.feed(line)
        said, status = said + reply.lead + reply.text + reply.trail + reply.error, reply.status
        if reply.effect is not Effect.NONE:
            return Reply(said, status=status, effect=reply.effect)
    return Reply(said, status=status)


PERSONA = Vyos()
