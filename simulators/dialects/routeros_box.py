"""What a RouterOS box is besides its menus: clock and scheduler, files on flash, safe mode."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from simulators.dialects.routeros_text import seconds
from simulators.dialects.routeros_tree import Item, Style, Tree
from simulators.generate.routeros import BOARD, MODEL, VERSION
from simulators.generate.site import make_site
from simulators.state import DeviceState

MOST_ACTIONS = 100
"""So many actions the history holds; a safe mode that needs more is left, and nothing is taken back."""

_SNAPSHOT, _OWNER, _ACTIONS, _LAST_LOOK = "safe:snapshot", "safe:owner", "history", "scheduler:looked"
# A scheduler that nobody looked at for a long time is not run through second by second.
_MOST_RUNS = 500


class Box:
    """One box for the length of one command line; what it changes is on flash when it is through."""

    version = VERSION
    model = MODEL
    board = BOARD

    def __init__(self, state: DeviceState) -> None:
        self.state = state
        self._tree: Tree | None = None
        self._text = ""
        self._undone: list[str] = []

    @property
    def tree(self) -> Tree:
        """The configuration, read when first needed and again when somebody else changed it."""
        if self._tree is None or (self._text != self.state.running and not self._undone):
            self._tree, self._text = Tree.read(self.state.running), self.state.running
        return self._tree

    @property
    def serial(self) -> str:
        return make_site(self.state.spec).serial

    @property
    def hostname(self) -> str:
        return hostname_of(self.state)

    def changed(self, what: str) -> None:
        """Note an action on the tree."""
        self._undone.append(what)

    def flush(self) -> None:
        """Take over the tree as it is now: to flash, and into the history."""
        if not self._undone:
            return
        self._text = self.tree.export(Style(terse=True, sensitive=True))
        self.state.replace_running(self._text, self.state.spec.username)
        self.state.save()
        who = self.state.operator or self.state.spec.username
        actions = [*self.actions(), *((what, who) for what in self._undone)]
        self._undone = []
        if len(actions) > MOST_ACTIONS and _OWNER in self.state.scratch:
            self.leave_safe_mode()
        self.state.scratch[_ACTIONS] = json.dumps(actions[-MOST_ACTIONS:])

    def actions(self) -> list[tuple[str, str]]:
        """What was done and by whom, oldest first: since safe mode was taken when it is on."""
        return [(what, who) for what, who in json.loads(self.state.scratch.get(_ACTIONS, "[]"))]

    def history(self) -> str:
        flag = "F" if _OWNER in self.state.scratch else "U"
        head = "Flags: U - undoable, R - redoable, F - floating-undo\nColumns: ACTION, BY, POLICY\n"
        rows = [("ACTION", "BY"), *reversed(self.actions())]
        first, second = (max(len(row[column]) for row in rows) for column in range(2))
        lines = [f"{what:<{first}}  {who:<{second}}  " for what, who in rows]
        return f"{head}  {lines[0]}POLICY\n" + "".join(f"{flag} {line}write\n" for line in lines[1:])

    def now(self) -> dict[str, str]:
        """When a schedule starts for which nobody says it."""
        clock = self.state.clock()
        return {"start-date": f"{clock:%Y-%m-%d}", "start-time": f"{clock:%H:%M:%S}"}

    def export(self, path: str, flags: Collection[str]) -> str:
        style = Style("terse" in flags, "verbose" in flags, "show-sensitive" in flags)
        failed = '#error exporting "/interface/wifi/access-list" (timeout)\n'
        trouble = failed if self.state.spec.options.get("export_error") == "yes" and not path else ""
        # The body of the state is such an export itself.
        as_it_is = not path and not self._undone and style == Style(terse=True, sensitive=True)
        return header(self.state) + (self.state.running if as_it_is else self.tree.export(style, path)) + trouble

    def write(self, name: str, text: str) -> None:
        self.state.flash[name] = text

    def restore(self, text: str) -> None:
        """Take over another configuration whole, as from a backup, and come up with it."""
        self.state.running = text
        self.state.save()
        self._tree, self._undone = None, []
        self.state.scratch.clear()

    def safe_owner(self) -> str:
        return self.state.scratch.get(_OWNER, "")

    def take_safe_mode(self, owner: str) -> None:
        """From now on every change waits for this session to confirm it."""
        self.state.scratch |= {_OWNER: owner, _SNAPSHOT: self.state.running, _ACTIONS: "[]"}

    def leave_safe_mode(self) -> None:
        """Keep what was changed."""
        for key in (_OWNER, _SNAPSHOT):
            self.state.scratch.pop(key, None)

    def unroll(self) -> None:
        """Take back everything since safe mode was taken, whoever did it."""
        snapshot = self.state.scratch.get(_SNAPSHOT)
        self.leave_safe_mode()
        if snapshot is not None:
            self.state.replace_running(snapshot, self.state.spec.username)
            self.state.save()
            self._tree, self._undone = None, []

    def catch_up(self, run: Callable[[str], object]) -> None:
        """Run what the scheduler was to run since the last look, in its order."""
        now = self.state.clock()
        looked = self.state.scratch.get(_LAST_LOOK)
        last = datetime.fromisoformat(looked) if looked else self.state.booted_at
        self.state.scratch[_LAST_LOOK] = now.isoformat()
        if "/system scheduler" not in self.state.running:
            return
        for _ in range(_MOST_RUNS):
            due = self._due(last, now)
            if due is None:
                return
            last, event = due
            run(event)
        self.state.scratch[_LAST_LOOK] = now.isoformat()

    def next_run(self) -> datetime | None:
        """When the scheduler has something to do next; None when it has nothing."""
        if "/system scheduler" not in self.state.running:
            return None
        runs = (
            _next_run(item, self.state.clock(), self.state.booted_at)
            for item in self.tree.menus["system scheduler"]
            if item.values.get("disabled") != "yes"
        )
        return min((run for run in runs if run is not None), default=None)

    def _due(self, after: datetime, until: datetime) -> tuple[datetime, str] | None:
        """The next run after one moment, up to another. Read anew each time: a run may remove its own schedule."""
        found: list[tuple[datetime, str]] = []
        for item in self.tree.menus["system scheduler"]:
            when = _next_run(item, after, self.state.booted_at)
            if when is not None and when <= until and item.values.get("disabled") != "yes":
                event = item.values.get("on-event", "")
                found.append((when, self._source(event)))
        return min(found, key=lambda run: run[0], default=None)

    def _source(self, event: str) -> str:
        """A schedule's event is a script's name or commands."""
        scripts = self.tree.menus["system script"]
        return next((item.values.get("source", "") for item in scripts if item.values.get("name") == event), event)


def _next_run(item: Item, after: datetime, booted: datetime) -> datetime | None:
    start = item.values.get("start-time", "startup")
    interval = timedelta(seconds=seconds(item.values.get("interval", "0s")) or 0)
    if start == "startup":
        first = booted + timedelta(seconds=3)
    else:
        date = item.values.get("start-date") or booted.date().isoformat()
        first = datetime.fromisoformat(f"{date}T{start}").replace(tzinfo=UTC)
    if first > after:
        return first
    if not interval:
        return None
    return first + interval * ((after - first) // interval + 1)


def header(state: DeviceState) -> str:
    """The comment lines that every export begins with."""
    site, digest = make_site(state.spec), state.spec.digest("software id").hex().upper()
    return (
        f"# {state.clock():%Y-%m-%d %H:%M:%S} by RouterOS {VERSION}\n# software id = {digest[:4]}-{digest[4:8]}\n#\n"
        f"# model = {MODEL}\n# serial number = {site.serial}\n"
    )


def hostname_of(state: DeviceState) -> str:
    """The name in `/system identity`."""
    found = re.search(r'^/system identity set name=(?:"([^"]*)"|(\S+))', state.running, re.MULTILINE)
    return (found[1] or found[2]) if found else "MikroTik"


def session_id(state: DeviceState) -> str:
    """Another one for each session of a box."""
    state.displays += 1
    return hashlib.sha256(f"{state.boots}/{state.displays}".encode()).hexdigest()[:12]
