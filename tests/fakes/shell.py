"""A shell that answers from a script, for tests of drivers without a network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cpe_manager.domain.errors import AuthFailed, CommandRefused, FetchIncomplete
from cpe_manager.ports.shell import Credential, ExecResult, PromptRules

NOBODY = Credential("backup", "login-secret", "enable-secret")


class ScriptedTerminal:
    """``ports.shell.Terminal``. A command that the script does not know is refused.

    A list of replies is used up one by one, its last reply stays. With ``enable_password`` the terminal starts in user
    mode and refuses everything in ``privileged`` until it is elevated.
    """

    def __init__(
        self,
        hostname: str,
        replies: Mapping[str, str | list[str]],
        privileged: frozenset[str] = frozenset(),
        enable_password: str = "",
    ) -> None:
        self.hostname = hostname
        self.commands: list[str] = []
        self._replies = {command: [text] if isinstance(text, str) else list(text) for command, text in replies.items()}
        self._locked = privileged
        self._enable_password = enable_password

    async def run(self, command: str, *, evidence: re.Pattern[str] | None = None) -> str:
        self.commands.append(command)
        replies = self._replies.get(command)
        if replies is None or command in self._locked:
            raise CommandRefused(f"{command!r}: % Invalid input detected")
        text = replies.pop(0) if len(replies) > 1 else replies[0]
        if evidence is not None and not evidence.search(text):
            raise FetchIncomplete(f"{command!r}: no evidence")
        return text

    async def elevate(self, command: str, *, ask: re.Pattern[str], secret: str) -> None:
        self.commands.append(command)
        if not self._locked:
            raise CommandRefused(f"{command!r} changed nothing")
        assert ask.search("Password:")
        if secret != self._enable_password:
            raise AuthFailed(f"{command!r} was refused")
        self._locked = frozenset()


class ScriptedShell:
    """``ports.shell.Shell``. Without a script for exec channels they are refused; the script for ``*`` is for any."""

    def __init__(
        self,
        terminal: ScriptedTerminal | None = None,
        commands: Mapping[str, ExecResult | list[ExecResult]] | None = None,
        *,
        credential: Credential = NOBODY,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.credential = credential
        self.options: Mapping[str, str] = options or {}
        self.executed: list[str] = []
        self.rules: PromptRules | None = None
        self._terminal = terminal
        self._commands = (
            None
            if commands is None
            else {
                command: [result] if isinstance(result, ExecResult) else list(result)
                for command, result in commands.items()
            }
        )

    async def terminal(self, rules: PromptRules) -> ScriptedTerminal:
        assert self.rules is None, "a session has one terminal at most"
        if self._terminal is None:
            raise CommandRefused("no terminal")
        self.rules = rules
        return self._terminal

    async def execute(self, command: str) -> ExecResult:
        if self._commands is None:
            raise CommandRefused("no exec channels")
        self.executed.append(command)
        results = self._commands.get(command, self._commands.get("*"))
        if results is None:
            return ExecResult("", f"sh: {command.split(maxsplit=1)[0]}: not found\n", 127)
        return results.pop(0) if len(results) > 1 else results[0]
