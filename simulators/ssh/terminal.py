"""A terminal's manners around a dialogue: echo, line editing, passwords, the pager, prompts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from simulators.faults.active import ActiveFaults
from simulators.faults.kinds import Ansi, CursorQuery, LostEcho, NoPagerOff, WrongPrompt
from simulators.faults.struck import Strike
from simulators.personas.base import Attached, Dialogue, Narrow, Reply, Traits
from simulators.ssh.output import Ending, Output
from simulators.ssh.wire import Wire

_ESCAPE = re.compile(rb"\x1b(?:\[[0-9;?]*[@-~]|O.|[^\[O])", re.DOTALL)
_SHIFT = 10
_CONTROL = {0x03: "C", 0x18: "X", 0x1A: "Z"}


@dataclass(frozen=True, slots=True)
class Habits:
    """How this session's terminal behaves: the family's traits and the faults it was opened with."""

    traits: Traits
    quiet: bool
    lost_echo: bool
    ansi: bool
    cursor_query: bool
    other_hostname: str
    forced_page: int

    @classmethod
    def draw(cls, traits: Traits, faults: ActiveFaults, has_pty: bool) -> Habits:
        """Take over the session faults that are active now."""
        wrong, pager = faults.take(WrongPrompt), faults.take(NoPagerOff)
        return cls(
            traits=traits,
            quiet=traits.quiet_without_pty and not has_pty,
            lost_echo=faults.take(LostEcho) is not None,
            ansi=faults.take(Ansi) is not None,
            cursor_query=faults.take(CursorQuery) is not None,
            other_hostname=wrong.hostname if wrong else "",
            forced_page=pager.lines if pager else 0,
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the terminal needs from the session around it."""

    plan: Callable[[str, Reply], Output]
    finish: Callable[[Output], None]
    hostname: Callable[[], str]
    typed: Callable[[str], Strike | None]
    instead: Callable[[str, Strike], Output | None]


class Terminal:
    """Turns typed bytes into lines for the dialogue, and replies into bytes for the wire."""

    def __init__(self, dialogue: Dialogue, habits: Habits, wire: Wire, hooks: Hooks) -> None:
        self._dialogue = dialogue
        self._habits = habits
        self._wire = wire
        self._hooks = hooks
        self._typed = bytearray()
        self._line = bytearray()
        self._echo: list[str] = []
        self._output = Output("")
        self._pages: list[str] = []
        self._after_return = False
        self._over = False
        self._working = False

    def start(self) -> None:
        """Print what comes before the first line is typed."""
        self._show(Output(self._dialogue.greeting()))

    def receive(self, data: bytes) -> None:
        """Take typed bytes; while output is under way they wait, as in a box's own buffer."""
        self._typed += data
        self._work()

    def end_of_input(self) -> None:
        """The client will type no more."""
        self._typed += b"\x04"
        self._work()

    def hang_up(self) -> None:
        """The channel is gone."""
        if isinstance(self._dialogue, Attached):
            self._dialogue.hang_up()

    def _work(self) -> None:
        """Go through what was typed. A wire that sends at once calls back from within: then the loop is already on."""
        if self._working:
            return
        self._working = True
        try:
            while self._has_key() and not self._over and not self._wire.busy:
                if self._pages:
                    self._page_key()
                else:
                    self._key()
            self._flush_echo()
        finally:
            self._working = False

    def _has_key(self) -> bool:
        """Whether a whole key was typed. Cursor reports and arrow keys, no part of a line, are dropped here."""
        while self._typed[:1] == b"\x1b":
            escape = _ESCAPE.match(self._typed)
            if escape is None:
                return False
            del self._typed[: escape.end()]
        return bool(self._typed)

    def _next(self) -> int | None:
        """The next key; None for the line feed that some clients send after a carriage return."""
        key = self._typed.pop(0)
        follows, self._after_return = self._after_return, key == 0x0D
        return None if follows and key == 0x0A else key

    def _key(self) -> None:
        key = self._next()
        if key is None:
            return
        if key in (0x0D, 0x0A):
            self._submit()
        elif self._dialogue.single_key and key >= 0x20:
            self._line += bytes((key,))
            self._submit()
        elif key in (0x7F, 0x08):
            self._rub_out()
        elif key == 0x15:
            while self._line:
                self._rub_out()
        elif key == 0x04 and not self._line:
            self._answer("^D", self._dialogue.control("D"))
        elif _CONTROL.get(key, "-") in self._habits.traits.control_keys:
            self._line.clear()
            self._say("\n" if key == 0x18 else f"^{_CONTROL[key]}\n")
            self._answer(f"^{_CONTROL[key]}", self._dialogue.control(_CONTROL[key]))
        elif key >= 0x20:
            self._line += bytes((key,))
            self._say((chr(key) if key < 0x80 else "") + self._scrolled())

    def _scrolled(self) -> str:
        """At the right margin the line moves to the left: what was typed is drawn anew, its beginning gone."""
        dialogue = self._dialogue
        room = dialogue.width - len(dialogue.prompt) if isinstance(dialogue, Narrow) and dialogue.width else 0
        if room < _SHIFT * 2 or len(self._line) < room or (len(self._line) - room) % _SHIFT:
            return ""
        kept = self._line[-(room - _SHIFT) :].decode("utf-8", "replace")
        return f"\r{dialogue.prompt}${kept}{' ' * (_SHIFT - 1)}" + "\b" * (_SHIFT - 1)

    def _submit(self) -> None:
        line = self._line.decode("utf-8", "replace")
        self._line.clear()
        self._say("\n", always=True)
        strike = self._hooks.typed(line)
        if strike is not None and strike.stalls and not strike.fault.done:
            self._wire.send([self._encode(self._take_echo()), strike.wait], lambda: self._do(line, None))
        else:
            self._do(line, strike)

    def _do(self, line: str, strike: Strike | None) -> None:
        shown = line if self._dialogue.echo else "(password)"
        if strike is None:
            self._answer(shown, self._dialogue.feed(line))
            return
        instead = self._hooks.instead(line, strike)
        if instead is not None:
            self._show(instead)
            return
        output = strike.behind(self._hooks.plan(shown, self._dialogue.feed(line)))
        if strike.stalls:
            self._wire.send([strike.wait], lambda: self._show(output))
        else:
            self._show(output)

    def _rub_out(self) -> None:
        if self._line:
            self._line.pop()
            self._say("\b \b")

    def _say(self, text: str, *, always: bool = False) -> None:
        """Echo; a new line is printed even where typed characters are not shown."""
        shown = self._dialogue.echo and not self._habits.lost_echo
        if not self._habits.quiet and (shown or always):
            self._echo.append(text)

    def _flush_echo(self) -> None:
        if self._echo and not self._wire.busy:
            echo = self._take_echo()
            self._wire.send([self._encode(echo)], self._work)

    def _take_echo(self) -> str:
        echo = "".join(self._echo)
        self._echo.clear()
        return echo

    def _answer(self, command: str, reply: Reply) -> None:
        self._show(self._hooks.plan(command, reply))

    def _show(self, output: Output) -> None:
        self._output = output
        page = self._habits.forced_page or self._dialogue.page_length
        text = output.text + output.error
        lines = text.splitlines(keepends=True)
        if page and len(lines) >= page and not self._habits.quiet:
            self._pages = lines
            self._next_page(page - 1, "")
            return
        self._last(text)

    def _next_page(self, count: int, wipe: str) -> None:
        page, self._pages = "".join(self._pages[:count]), self._pages[count:]
        if not self._pages:
            self._last(wipe + page)
            return
        head = self._take_echo()
        self._wire.send([self._encode(head + wipe + page + self._habits.traits.more)], self._work)

    def _page_key(self) -> None:
        key = self._next()
        if key is None:
            return
        wipe = self._habits.traits.wipe
        if key == 0x20:
            self._next_page((self._habits.forced_page or self._dialogue.page_length or 24) - 1, wipe)
        elif key in (0x0D, 0x0A):
            self._next_page(1, wipe)
        else:
            self._pages = []
            self._last(wipe)

    def _last(self, text: str) -> None:
        """Send the end of a reply, then the prompt or whatever ends it."""
        output = self._output
        head = self._take_echo()
        tail = ""
        if output.ending is Ending.PROMPT:
            tail = self._prompt()
        else:
            self._over = True
        behind = len(output.text) - output.rest_at
        if output.rest_at and len(text) >= behind:
            first, second = text[: len(text) - behind], text[len(text) - behind :]
            pieces: list[bytes | float] = [self._encode(head + first), output.rest, self._encode(second + tail)]
        else:
            pieces = [self._encode(head + text + tail)]
        self._wire.send(pieces, lambda: self._finished(output))

    def _finished(self, output: Output) -> None:
        if output.ending is Ending.PROMPT:
            self._work()
        else:
            self._hooks.finish(output)

    def _prompt(self) -> str:
        prompt = self._dialogue.prompt
        if self._habits.quiet:
            return ""
        if self._habits.other_hostname:
            prompt = prompt.replace(self._hooks.hostname(), self._habits.other_hostname)
        if self._habits.ansi:
            prompt = f"\x1b[0m\x1b[1;32m{prompt}\x1b[0m\x1b[K"
        if self._habits.cursor_query:
            prompt = f"\x1b[6n{prompt}"
        return prompt

    def _encode(self, text: str) -> bytes:
        if not self._habits.quiet:
            text = text.replace("\n", "\r\n")
        return text.encode("utf-8", "surrogateescape")
