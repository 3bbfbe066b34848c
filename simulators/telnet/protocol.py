"""Commands and options in a Telnet stream: what is asked for, what is agreed to, and what is left as data."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SGA, TTYPE, NAWS = 1, 3, 24, 31
# RFC 857, RFC 858: the box echoes, and nobody has to say "go ahead". RFC 1091, RFC 1073: who is there, and how wide.
_OURS: Final = (ECHO, SGA)
_THEIRS: Final = (TTYPE, NAWS, SGA)


class _At(enum.Enum):
    DATA = enum.auto()
    COMMAND = enum.auto()
    OPTION = enum.auto()
    SUB = enum.auto()
    SUB_COMMAND = enum.auto()


class Options:
    """One end's view of a connection. `send` gets what has to go out; `feed` gives the data without the commands."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._at, self._command = _At.DATA, 0
        self._sub = bytearray()
        self._asked: set[tuple[int, int]] = set()
        self._last_was_return = False
        self.agreed: set[tuple[str, int]] = set()
        """(`ours` or `theirs`, option) that both ends want."""
        self.width = 0
        self.terminal = ""

    def start(self) -> None:
        """Say what this end does and wants of the other."""
        for verb, option in ((WILL, ECHO), (WILL, SGA), (DO, TTYPE), (DO, NAWS)):
            self._asked.add((verb, option))
            self._send(bytes((IAC, verb, option)))

    def feed(self, data: bytes) -> bytes:
        """Data with IAC IAC as one byte 255 and CR NUL as CR; commands are answered on the way."""
        out = bytearray()
        for byte in data:
            if self._at is _At.DATA:
                if byte == IAC:
                    self._at = _At.COMMAND
                elif not (self._last_was_return and byte == 0):
                    out.append(byte)
                self._last_was_return = byte == 0x0D
            elif self._at is _At.COMMAND:
                self._take_command(byte, out)
            elif self._at is _At.OPTION:
                self._at = _At.DATA
                self._negotiate(self._command, byte)
            else:
                self._take_sub(byte)
        return bytes(out)

    def _take_command(self, byte: int, out: bytearray) -> None:
        self._at = _At.DATA
        if byte == IAC:
            out.append(IAC)
        elif byte in (DO, DONT, WILL, WONT):
            self._at, self._command = _At.OPTION, byte
        elif byte == SB:
            self._at, self._sub = _At.SUB, bytearray()

    def _take_sub(self, byte: int) -> None:
        if self._at is _At.SUB and byte == IAC:
            self._at = _At.SUB_COMMAND
        elif self._at is _At.SUB:
            self._sub.append(byte)
        elif byte == SE:
            self._at = _At.DATA
            self._told(bytes(self._sub))
        else:
            self._at = _At.SUB
            self._sub.append(byte)

    def _negotiate(self, verb: int, option: int) -> None:
        """Agree to what is known, refuse the rest, and answer nothing that is an answer itself."""
        if verb in (DO, DONT):
            known, yes, no, whose = option in _OURS, WILL, WONT, "ours"
        else:
            known, yes, no, whose = option in _THEIRS, DO, DONT, "theirs"
        wanted = verb in (DO, WILL) and known
        if wanted:
            self.agreed.add((whose, option))
            if whose == "theirs" and option == TTYPE:
                self._send(bytes((IAC, SB, TTYPE, 1, IAC, SE)))
        else:
            self.agreed.discard((whose, option))
        if (yes, option) in self._asked:
            self._asked.discard((yes, option))
        elif verb in (DO, WILL):
            self._send(bytes((IAC, yes if wanted else no, option)))

    def _told(self, sub: bytes) -> None:
        if sub[:1] == bytes((NAWS,)) and len(sub) >= 5:
            self.width = int.from_bytes(sub[1:3], "big")
        elif sub[:2] == bytes((TTYPE, 0)):
            self.terminal = sub[2:].decode("ascii", "replace")


def escaped(data: bytes) -> bytes:
    """Data as it goes into a stream: a byte 255 is sent twice."""
    return data.replace(b"\xff", b"\xff\xff")
