"""The one prompt engine: reads an interactive shell from its bytes, without doing any I/O.

Whoever owns the channel feeds what arrives, in pieces of any size, and sends back what ``Progress.reply`` holds::

    engine.expect_login()             # then feed() until phase READY, then learn()
    engine.expect("show version")     # then send the command, feed() until READY, then take()

The work per piece looks at the last line only; the whole text is decoded and cleaned once, when a prompt stands at its
end. Cutting the same stream in other places never changes what comes out.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from cpe_manager.kit.terminal_text import clean, decode, rendered, without_escapes

_CURSOR_QUERY: Final = b"\x1b[6n"
_CURSOR_REPORT: Final = b"\x1b[1;1R"
_DANGLING: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")
# Characters around a prompt that nobody sees.
_SILENT: Final = "\x00\x07"
# A last line longer than this many bytes is no prompt; it bounds what is looked at per piece.
_TAIL: Final = 1024
_NAME: Final = re.compile(r"[\w.-]+")
# IOS cuts a long name in the prompts of its configuration modes; what is left of it is not shorter than this.
_CUT: Final = 14
_ECHO_AGAIN: Final = 256
_MOVE: Final = r"[\r\x08]|\x1b\[\d*[CDGKPX@]"
_ANY_PROMPT: Final = re.compile(rf"(?:{_MOVE})*(?:[^\s]{{1,128}}[#>$%:\])][ ]?)?")
# The echo stands at the head of a reply: behind a prompt and perhaps a log line, never thousands of bytes away.
_ECHO_WITHIN: Final = 2048


class Phase(enum.Enum):
    """Where the conversation stands after a piece."""

    WAITING = enum.auto()
    LIKELY = enum.auto()
    """A prompt stands at the end, but the echo or the evidence has not been seen: more may follow."""
    READY = enum.auto()
    ASKED = enum.auto()
    """The question that was expected stands at the end."""


class Progress(NamedTuple):
    phase: Phase
    reply: bytes
    """What the device wants to read now: an answer to its pager or cursor query; mostly empty."""


class Patterns(Protocol):
    """How a family's shell is read; ``ports.shell.PromptRules`` is one, and says what each pattern means."""

    @property
    def prompt(self) -> re.Pattern[str]: ...

    @property
    def pager(self) -> re.Pattern[str] | None: ...

    @property
    def pager_answer(self) -> str: ...

    @property
    def errors(self) -> re.Pattern[str] | None: ...

    @property
    def newline(self) -> str: ...

    @property
    def questions(self) -> tuple[tuple[re.Pattern[str], str], ...]: ...


class PromptEngine:
    """One conversation. After log-in the prompt is known to the letter, and that string ends a reply.

    Two things may teach another prompt. The one seen at log-in may have been a line of a banner: the first command's
    reply puts it right. And a command that is sent without evidence may change it: the same host in another mode ends
    the reply at once; another name, if one of the commands so far held it (``hostname NEW``), when nothing more comes.
    Any other host is none: a console server that we fell back to must not get the rest of a script. Where evidence is
    asked for, nothing but the known prompt counts.
    """

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._raw = bytearray()
        self._scanned = 0
        self._paged: tuple[int, bool] | None = None
        self._command: str | None = None
        self._evidence: re.Pattern[str] | None = None
        self._question: re.Pattern[str] | None = None
        self._phase = Phase.WAITING
        self._idle = True
        self._settled = False
        self._body = ""
        self._echo_seen = False
        self._proven = False
        self._echoes: bool | None = None
        self._names: set[str] = set()
        self.prompt = ""
        self.hostname = ""
        self.last_line = ""

    @property
    def received(self) -> int:
        """Bytes since the last ``expect``."""
        return len(self._raw)

    @property
    def evidence_seen(self) -> bool:
        """Whether the last complete look found the evidence; True when none was asked."""
        return self._evidence is None or self._proven

    def expect_login(self) -> None:
        """The next prompt is the first one: whatever the family's pattern matches."""
        self._start(None, None)

    def expect(self, command: str, evidence: re.Pattern[str] | None = None) -> None:
        """A command is about to be sent; what was left unread before it is dropped."""
        self._start(command, evidence)

    def expect_question(self, command: str, question: re.Pattern[str]) -> None:
        """A command is about to be sent that asks something (a password) in its last line."""
        self._start(command, None)
        self._question = question

    def expect_secret(self, question: re.Pattern[str]) -> None:
        """The secret is about to be sent: a prompt follows, maybe a new one, or the question again. No echo."""
        self._start(None, None)
        self._question = question

    def feed(self, data: bytes) -> Progress:
        """Take a piece. Costs a look at the last line; a prompt in it costs one pass over the whole reply."""
        self._raw += data
        reply = self._cursor_reports()
        if self._idle:
            self._keep_dangling()
            return Progress(Phase.WAITING, reply)
        self._phase = Phase.WAITING
        start = self._raw.rfind(b"\n", max(0, len(self._raw) - _TAIL)) + 1
        if start < len(self._raw) and len(self._raw) - start <= _TAIL:
            self.last_line = clean(self._raw[start:]).rpartition("\n")[2].strip(_SILENT).rstrip()
            reply += self._look(start)
        else:
            self.last_line = ""
        return Progress(self._phase, reply)

    def learn(self) -> None:
        """Accept the prompt that stands at the end; from now on only it counts. Ends the expectation."""
        self.prompt = self.last_line
        self.hostname = self._host(self.prompt)
        self._names.add(self.hostname)
        self._end()

    def take(self) -> str:
        """The reply without echo and prompt, and the end of the expectation.

        Taking a reply in phase LIKELY is a decision that nothing more comes: it settles whether this device echoes.
        """
        if self._command is not None and not self._settled:
            self._echoes = self._echo_seen
            self._settled = True
        if self._command is not None and self.last_line != self.prompt:
            self.learn()
        self._end()
        return self._body

    def refusal(self) -> str:
        """The line with which the device refused the command, empty when it did not."""
        if self._patterns.errors is None or (self._evidence is not None and self.evidence_seen):
            return ""
        found = self._patterns.errors.search(self._body)
        return found.group().strip() if found else ""

    def _start(self, command: str | None, evidence: re.Pattern[str] | None) -> None:
        self._keep_dangling()
        self._paged = None
        self._command, self._evidence, self._question = command, evidence, None
        self._names.update(_NAME.findall(command or ""))
        self._phase, self._idle = Phase.WAITING, False
        self._body, self._echo_seen, self._proven, self.last_line = "", False, False, ""

    def _end(self) -> None:
        self._idle = True
        self._keep_dangling()

    def _keep_dangling(self) -> None:
        """Forget what was read, but for the first half of an escape sequence whose second half is still to come."""
        found = _DANGLING.search(self._raw, max(0, len(self._raw) - 256))
        self._raw = bytearray(found.group() if found else b"")
        self._scanned = 0

    def _cursor_reports(self) -> bytes:
        """One report for each cursor query in what is new, also when the query came in two pieces."""
        found, reports = self._raw.find(_CURSOR_QUERY, self._scanned), b""
        while found >= 0:
            reports += _CURSOR_REPORT
            self._scanned = found + len(_CURSOR_QUERY)
            found = self._raw.find(_CURSOR_QUERY, self._scanned)
        self._scanned = max(self._scanned, len(self._raw) - len(_CURSOR_QUERY) + 1, 0)
        return reports

    def _look(self, start: int) -> bytes:
        """Decide what the last line, which begins at byte ``start``, is."""
        line, patterns = self.last_line, self._patterns
        if self._question is not None and self._question.search(line):
            self._phase = Phase.ASKED
        elif self._is_prompt(line):
            self._phase = self._judge()
        elif patterns.pager is not None and (found := patterns.pager.search(line)):
            paged = start, bool(found.groupdict().get("end"))
            if self._paged not in (paged, (start, True)):
                self._paged = paged
                return b"q" if paged[1] else patterns.pager_answer.encode()
        elif self._paged != (start, False) and (answer := self._answer(line)) is not None:
            self._paged = start, False
            return f"{answer}{patterns.newline}".encode()
        return b""

    def _answer(self, line: str) -> str | None:
        """What to say to a question that the command in hand may ask; None when it is none."""
        if self._command is None or self._evidence is not None or self._question is not None:
            return None
        return next((answer for pattern, answer in self._patterns.questions if pattern.search(line)), None)

    def _is_prompt(self, line: str) -> bool:
        if line == self.prompt and line:
            return True
        if self._patterns.prompt.fullmatch(line) is None:
            return False
        if self._command is None or self._question is not None or not self._settled:
            return True
        return self._evidence is None and self._may_be_called(self._host(line))

    def _may_be_called(self, host: str) -> bool:
        """Whether the box may go by this name now: as before, or as one of the commands said, without its domain."""
        return not host or any(_same(host, name) or name.startswith(f"{host}.") for name in self._names)

    def _host(self, prompt: str) -> str:
        found = self._patterns.prompt.fullmatch(prompt)
        groups = found.groupdict() if found else {}
        return groups.get("host") or ""

    def _judge(self) -> Phase:
        """A prompt stands at the end: is it the end of this reply?"""
        if self._command is None:
            return Phase.READY
        self._body, self._echo_seen = self._split(self._command)
        if self._evidence is not None:
            self._proven = self._evidence.search(self._body) is not None
            return Phase.READY if self._proven or (self._echo_seen and self.refusal()) else Phase.LIKELY
        if self._settled and self._question is None and not self._is_ours(self.last_line):
            return Phase.LIKELY
        return Phase.READY if self._echo_seen or self._echoes is False else Phase.LIKELY

    def _is_ours(self, line: str) -> bool:
        """Whether it is the known prompt, in this mode or another."""
        host = self._host(line)
        return line == self.prompt or (host != "" and _same(host, self.hostname))

    def _split(self, command: str) -> tuple[str, bool]:
        """The reply between echo and prompt, and whether the echo was there."""
        text = without_escapes(decode(self._raw))
        begin = _after_echo(text, command, self.prompt)
        body = rendered(text[max(begin, 0) :])
        return body[: body.rfind("\n") + 1], begin >= 0


def _same(one: str, other: str) -> bool:
    """Whether two names are one host's, perhaps cut short."""
    return one == other or (min(len(one), len(other)) >= _CUT and (one.startswith(other) or other.startswith(one)))


def _after_echo(text: str, command: str, prompt: str) -> int:
    """Where the line after the echo begins; -1 when there is no echo.

    An echo is a whole line near the head of the reply: the command alone or right behind a prompt, wrapped or not.
    RouterOS prints it a second time, behind the prompt.
    """
    begin = len(command) + 1 if text.startswith(f"{command}\n") else _echo(text, command, prompt, 0)
    while begin >= 0 and prompt and text.find(prompt, begin, begin + _ECHO_AGAIN) >= 0:
        again = _echo_pattern(command).match(text, begin)
        if again is None or rendered(again["before"]).rstrip() != prompt:
            break
        begin = again.end()
    return begin


def _echo(text: str, command: str, prompt: str, start: int) -> int:
    for found in _echo_pattern(command).finditer(text, start, _ECHO_WITHIN + 4 * len(command)):
        before = found["before"]
        # Of a prompt that was learned while it was still being drawn only the rest comes.
        if _ANY_PROMPT.fullmatch(before) or prompt.endswith(rendered(before).strip()):
            return found.end()
    return -1


@lru_cache(maxsize=64)
def _echo_pattern(command: str) -> re.Pattern[str]:
    """The command with what terminals put between its letters when it does not fit on a line."""
    gap = rf"(?:[ \n]|{_MOVE})*"
    letters = gap.join(re.escape(letter) for letter in command if letter != " ")
    return re.compile(rf"(?:\A|(?<=\n))(?P<before>[^\n]{{0,256}}?){letters}(?:[ ]|{_MOVE})*\n")
