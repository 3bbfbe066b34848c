"""From what was read to `Evidence`: a poll's figures compared with the last ones, an edge's sessions with those before.

Conventions are those of ``domain.failover.line_memory``: a poll without an answer says nothing of the line; what an
edge says is told again every few seconds although it has not changed, and at once while probes of the line fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cpe_manager.domain.failover.lines import Evidence, Source, Way
from cpe_manager.domain.failover.mobile_volume import OctetCount, OctetMeter
from cpe_manager.ports.platform import EdgeSession
from cpe_manager.ports.sensing import LineReading, PortReading

TELL_AGAIN: Final = 5.0
"""Seconds within which every standing session is told again."""
RESTART_SLACK: Final = 5.0
"""By how many seconds an agent's uptime has to have gone back before it is a restart."""
LEAST_FRAMES: Final = 50
"""Of fewer frames between two polls no share of errors is made."""
_COUNTER32: Final = 2**32


class PollMemory:
    """What a line's last poll said: small, there are ten thousand of them."""

    __slots__ = ("_counted", "_mobile", "_uptime")

    def __init__(self) -> None:
        self._uptime: float | None = None
        self._counted: dict[Way, tuple[int, int]] = {}
        self._mobile = OctetMeter()

    def evidence(self, line_id: str, reading: LineReading, at: float) -> Iterator[Evidence]:
        """What a poll says of the box and of each way."""
        uptime, before = reading.uptime, self._uptime
        restarted = uptime is not None and before is not None and uptime < before - RESTART_SLACK
        if restarted:
            self._counted.clear()
        if uptime is not None:
            self._uptime = uptime
        yield Evidence(
            line_id, Source.SNMP, Way.MANAGEMENT, True, at, "agent answers", order=uptime, restarted=restarted
        )
        for port in reading.ports:
            yield Evidence(
                line_id, Source.SNMP, port.way, port.up, at, port.what, uptime, self._share(port), port.signal,
                octets=self._passed(port, at, restarted),
            )  # fmt: skip

    def _passed(self, port: PortReading, at: float, restarted: bool) -> int:
        """What went over mobile since the last poll."""
        if port.way is not Way.MOBILE or port.octets is None:
            return 0
        return self._mobile.passed(OctetCount(port.octets, port.octet_bits, port.port), at, restarted=restarted)

    def _share(self, port: PortReading) -> float | None:
        """Of the frames that came in since the last poll, those that had errors."""
        if port.errors is None or port.frames is None:
            return None
        last = self._counted.get(port.way)
        self._counted[port.way] = (port.errors, port.frames)
        if last is None:
            return None
        wrong, right = (port.errors - last[0]) % _COUNTER32, (port.frames - last[1]) % _COUNTER32
        if wrong > _COUNTER32 // 2 or right > _COUNTER32 // 2 or wrong + right < LEAST_FRAMES:
            return None  # counters that went back were set to zero
        return wrong / (wrong + right)


class EdgeMemory:
    """What an edge has said of one neighbour, which is one way of one line."""

    __slots__ = ("_line_id", "_said", "way")

    def __init__(self, line_id: str, way: Way) -> None:
        self._line_id, self.way = line_id, way
        self._said: EdgeSession | None = None

    def evidence(self, found: EdgeSession | None, at: float, *, again: bool) -> Sequence[Evidence]:
        """What has to be told: what is new, with ``again`` what stands, too. Nothing where there never was a session.
        ``found`` None: the edge has none with this neighbour (any more), or cannot be asked."""
        before = self._said
        if found == before and (found is None or not again):
            return ()
        self._said = found
        if found is None:
            return self._both(EdgeSession(), before or EdgeSession(), at, "no word from the edge")
        return self._both(found, before or found, at, "")

    def _both(self, now: EdgeSession, before: EdgeSession, at: float, what: str) -> list[Evidence]:
        told = []
        for source, is_up, was_up in ((Source.BFD, now.bfd, before.bfd), (Source.BGP, now.bgp, before.bgp)):
            if is_up is not None or was_up is not None:
                words = what or f"{source.value.upper()} session {'up' if is_up else 'down'} at the edge"
                told.append(Evidence(self._line_id, source, self.way, is_up, at, words))
        return told


def neighbours(found: Mapping[str, EdgeSession]) -> Mapping[str, EdgeSession]:
    """By plain address, as lines name it: an edge may print a zone or a prefix length behind it."""
    return {address.partition("%")[0].partition("/")[0]: session for address, session in found.items()}
