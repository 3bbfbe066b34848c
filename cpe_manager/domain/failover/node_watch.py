"""Many lines behind one access node that go at once: it is the node, and one incident, not many (§5.1.1, §6)."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from cpe_manager.domain.failover.lines import FailoverPolicy


@dataclass(slots=True)
class _Node:
    lines: dict[str, float | None] = field(default_factory=dict)
    """Since when each line is down; None: it is not."""
    losses: list[float] = field(default_factory=list)
    """The times among them, in order."""
    down: bool = False


class Nodes:
    """The lines of each access node, and who of them is down since when. In memory; made anew after a restart."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def note(self, node: str, line_id: str, down_since: float | None) -> None:
        """Say of a line that it is down since then, or not (None). Lines that were never noted do not count in the
        share, so each is noted once when it begins to be watched. A node without a name is none."""
        if not node:
            return
        known = self._nodes.setdefault(node, _Node())
        before = known.lines.get(line_id)
        known.lines[line_id] = down_since
        if before == down_since:
            return
        if before is not None:
            del known.losses[bisect_left(known.losses, before)]
        if down_since is not None:
            insort(known.losses, down_since)

    def forget(self, node: str, line_id: str) -> None:
        """The line is no longer watched, or behind another node."""
        if node in self._nodes:
            self.note(node, line_id, None)
            self._nodes[node].lines.pop(line_id, None)
            if not self._nodes[node].lines:
                del self._nodes[node]

    def down(self, node: str, now: float, policy: FailoverPolicy) -> tuple[str, ...]:
        """The lines that are down with their node, by id, sorted; empty when the node is not down.

        It is down once ``node_least`` lines and ``node_share`` of all were lost within ``node_within`` (and what one
        probe takes to see it), none of them in the future; those that were lost before or after it then count as well.
        It stays so until less than half of that share is down, so that it does not come and go with single lines.
        """
        known = self._nodes.get(node)
        if known is None:
            return ()
        if known.down:
            known.down = 2 * len(known.losses) >= policy.node_share * len(known.lines)
        elif len(known.losses) >= max(policy.node_least, policy.node_share * len(known.lines)):
            known.down = self._at_once(known, now, policy)
        if not known.down:
            return ()
        return tuple(sorted(line for line, since in known.lines.items() if since is not None))

    @staticmethod
    def _at_once(known: _Node, now: float, policy: FailoverPolicy) -> bool:
        within = policy.node_within + policy.probe_every
        least = max(policy.node_least, policy.node_share * len(known.lines))
        first = 0
        for last, at in enumerate(known.losses):
            if at > now:
                break
            while known.losses[first] < at - within:
                first += 1
            if last - first + 1 >= least:
                return True
        return False
