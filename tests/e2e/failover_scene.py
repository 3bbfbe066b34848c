"""A fleet whose lines are in all states of a fail-over at once, twenty in each, and a daemon that is killed there.

The lines are in groups by the state that they are in at the first kill; of each group the first half (``a``) and the
second (``b``) get there, or go on from there, in different ways:

=========  ===========================================================================================================
fixed      lost after the kill; the daemon is killed again while their traffic moves, and once more while it returns, at
           whatever each of them is at
suspect    their boxes say that the port is down, and nobody else does; ``a`` come back, ``b`` turn out to be lost, for
           the rest of the scene
switching  the edge was asked to move them and had not done so when the daemon died; then it forgot ``a`` and did ``b``,
           which all stay lost to the end
mobile     stay there to the end
returning  as those that switch, the other way round
failed     ``a``: the edge refuses to move them; ``b``: have no mobile backup
held       ``a``: while the fixed line carried, lost while the daemon is dead; ``b``: while mobile carried,
           to which they are released in the end
=========  ===========================================================================================================
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.world import World, eventually, world
from tests.integration.foreign.net_snmp import free_udp_port
from tests.support.edge_server import Edge, edge_server

EACH = 20
GROUPS = ("fixed", "suspect", "switching", "mobile", "returning", "failed", "held")
LONG = 1200.0
"""Seconds that a step may take on a very busy machine; on an idle one none needs ten."""
PLATFORMS = 3
"""Names of one edge: at most sixteen orders wait at a time for each name."""
SETTINGS = """
sessions_per_access_node = 0
failover_warm_sessions = 12

[failover_policy]
probe_every = 1.0
poll_every = 60.0
recover = 1
up_for = 3.0
up_for_most = 3.0
flap_memory = 1.0
switch_within = 900.0
retry_after = 3600.0
node_switches_at_once = 1000
test_every_days = 0
"""
"""A switch that failed is not tried again here: what the second daemon does, it does because of the kill."""
PORT = "eth0"
"""Of the fixed line, as the virtual boxes name it."""


@dataclass(frozen=True)
class Place:
    """A line of the scene. ``gateway``: whom the edge has its session with."""

    name: str
    group: str
    half: str
    gateway: str


@dataclass(frozen=True)
class Line:
    """All that has become of a line by now, as the database tells it. ``steps``: states entered, each with the switch
    that it belongs to. ``incidents``: (subject, priority) of those that are open. ``pushes``: phase by key."""

    state: str
    carrier: str
    condition: str
    switch_id: str
    attempts: int
    steps: tuple[tuple[str, str], ...]
    incidents: tuple[tuple[str, int], ...]
    ever: Counter[str]
    """Incidents by subject, closed ones too."""
    pushes: dict[str, str]
    under_way: int
    """Pushes that have not ended."""
    orders: tuple[str, ...]
    """What the edge was asked for, in turn."""
    moves: tuple[str, ...]
    """What it did."""

    @property
    def switches(self) -> int:
        return sum(state == "switching" for state, _ in self.steps)

    @property
    def in_force(self) -> Counter[str]:
        """Confirmed pushes by the move that they are of; one that followed an interrupted one is of the same."""
        return Counter(key.removesuffix(":again") for key, phase in self.pushes.items() if phase == "confirmed")


@dataclass
class Scene:
    w: World
    edge: Edge
    lines: dict[str, Place] = field(default_factory=dict)
    """By id."""
    caught: list[Counter[str]] = field(default_factory=list)
    """For each kill, how many lines were in which state."""
    seen: dict[str, dict[str, Line]] = field(default_factory=dict)
    """What had become of the lines at each stop of the scene."""
    preferred: dict[str, set[str]] = field(default_factory=dict)
    """Lines whose boxes themselves were set to mobile."""
    took: dict[str, float] = field(default_factory=dict)

    # Who is who.

    def of(self, *groups: str, half: str = "ab") -> list[str]:
        return [line for line, place in self.lines.items() if place.group in groups and place.half in half]

    def names(self, lines: Iterable[str]) -> list[str]:
        return [self.lines[line].name for line in lines]

    @property
    def away(self) -> list[str]:
        """Lines that stay lost to the end."""
        return [*self.of("switching", "mobile"), *self.of("suspect", "held", half="b")]

    # What is.

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Asked of the database itself: it answers while no daemon does, and a hundred times a second."""
        file = f"file:{self.w.data / 'cpe-manager.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(file, uri=True, timeout=60)) as database:
            return database.execute(query).fetchall()

    def states(self) -> dict[str, str]:
        return dict(self.rows("select line_id, state from line_state"))

    def look(self) -> dict[str, Line]:
        ids = {name: line for line, name in ((line, place.name) for line, place in self.lines.items())}
        devices = {device: ids[name] for device, name in self.rows("select id, name from device") if name in ids}
        steps: dict[str, list[tuple[str, str]]] = {line: [] for line in self.lines}
        for line, after, switch_id in self.rows(
            "select line_id, after, switch_id from line_transition order by line_id, number"
        ):
            steps[line].append((after, switch_id))
        incidents: dict[str, list[tuple[str, int, Any]]] = {line: [] for line in self.lines}
        for line, subject, priority, closed in self.rows(
            "select line_id, subject, priority, closed_at from incident where line_id is not null order by opened_at"
        ):
            incidents[line].append((subject, priority, closed))
        pushes: dict[str, list[tuple[str, str, Any]]] = {line: [] for line in self.lines}
        for device, key, phase, ended in self.rows("select device_id, key, phase, ended_at from push"):
            pushes[devices[device]].append((key, phase, ended))
        return {
            line: Line(
                state, carrier, condition, switch_id, attempts, tuple(steps[line]),
                tuple((subject, priority) for subject, priority, closed in incidents[line] if closed is None),
                Counter(subject for subject, _, _ in incidents[line]),
                {key: phase for key, phase, _ in pushes[line]},
                sum(ended is None for _, _, ended in pushes[line]),
                tuple(over for moved, over in self.edge.orders if moved == line),
                tuple(over for moved, over in self.edge.moves if moved == line),
            )
            for line, state, carrier, condition, switch_id, attempts in self.rows(
                "select line_id, state, carrier, condition, switch_id, attempts from line_state"
            )
        }  # fmt: skip

    def edge_over(self, stop: str, line: str) -> str:
        """Over what the edge reached a line at a stop."""
        moves = self.seen[stop][line].moves
        return moves[-1] if moves else "fixed"

    def stop(self, name: str) -> None:
        self.seen[name] = self.look()
        with self.w.sim() as sim:
            running = {line: sim.show(place.name) for line, place in self.lines.items()}
        self.preferred[name] = {line for line, text in running.items() if over_mobile(text)}

    # What happens.

    def lose(self, lines: Iterable[str], *, up: bool = False) -> None:
        """The edge's sessions with these boxes."""
        self.edge.sessions |= {self.lines[line].gateway: up for line in lines}

    def order(self, lines: Iterable[str], what: str) -> None:
        with self.w.api() as api:
            for name in self.names(lines):
                answer = api.post(f"/api/v1/lines/{name}/orders", json={"what": what})
                assert answer.status_code == 202, answer.text

    def until(self, lines: Iterable[str], *states: str) -> None:
        wanted = set(lines)

        def there() -> bool:
            found = self.states()
            return all(found[line] in states for line in wanted)

        try:
            eventually(f"{states}", there, within=LONG)
        except AssertionError:
            left = {line: one for line, one in self.look().items() if line in wanted and one.state not in states}
            told = "\n".join(f"{self.lines[line]}: {one}" for line, one in list(left.items())[:3])
            raise AssertionError(f"{len(left)} lines not {states}\n{told}\n{self.w.logs()}") from None

    def kill(self) -> None:
        daemon = next(one for one in self.w.processes if one.name == "daemon" and one.alive)
        daemon.kill()
        self.caught.append(Counter(f"{self.lines[line].group} {state}" for line, state in self.states().items()))

    def kill_among(self, lines: Sequence[str], state: str, share: float) -> None:
        """As soon as so many of these are in a state, at whatever each of them is at there; then start anew."""

        def there() -> bool:
            found = self.states()
            return sum(found[line] == state for line in lines) >= share * len(lines)

        eventually(f"{share:.0%} of {len(lines)} lines {state} at once", there, every=0.01, within=LONG)
        self.kill()
        self.w.serve()


def over_mobile(running: str) -> bool:
    """What a virtual box is set to: its default route over the mobile link goes before the other one."""
    routes = {
        way: int(distance or 1) for way, distance in re.findall(r"(?m)^ip route 0.0.0.0/0 (\S+) ?(\d*)$", running)
    }
    return routes["ppp1"] < routes["ppp0"]


def _set_up(scene: Scene) -> None:
    names = sorted(device["name"] for device in scene.w.get("devices", limit=200)["items"])
    rows, places = [], {}
    for number, name in enumerate(names):
        group, half = GROUPS[number // EACH], "ab"[number % 2]
        place = Place(name, group, half, f"10.9.{number // EACH}.{number % EACH + 1}")
        places[name] = place
        values: dict[str, Any] = {
            "formula": "pro" if (group, half) == ("failed", "b") else "pro-plus", "ordered": True,
            "platform": f"edge-{number % PLATFORMS}", "fixed_ipv4": f"198.51.100.{number}/32",
            "fixed_gateway": place.gateway, "mobile_gateway": f"10.8.0.{number + 1}", "fixed_port": PORT,
            "mobile_port": "wwan0", "coverage": "passed", "coverage_reason": "measured on site",
        }  # fmt: skip
        if group == "suspect":
            # What only the box itself says is a suspicion for so long.
            values |= {"policy.trap_confirm": 60.0, "policy.poll_every": 5.0}
        else:
            scene.edge.sessions[place.gateway] = True
        rows.append({"number": number + 1, "device": name, "values": values})
    with scene.w.api() as api:
        answer = api.post("/api/v1/line-imports", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        assert {row["result"] for row in answer.json()["results"]} == {"new"}, answer.text
    found = scene.w.get("lines", limit=200)["items"]
    scene.lines = {line["id"]: places[line["device"]] for line in found}
    assert Counter((place.group, place.half) for place in scene.lines.values()) == {
        (group, half): EACH // 2 for group in GROUPS for half in "ab"
    }

    def all_up() -> bool:
        return scene.rows("select count(*) from line_state where condition = 'up'") == [(len(scene.lines),)]

    eventually("word of all lines", all_up, within=LONG)


def _into_all_states(scene: Scene) -> None:
    """And killed there."""
    edge, w = scene.edge, scene.w
    edge.refused |= set(scene.of("failed", half="a"))
    on_mobile = [*scene.of("mobile", "returning"), *scene.of("held", half="b")]
    scene.lose([*on_mobile, *scene.of("failed")])
    scene.until(on_mobile, "mobile")
    scene.until(scene.of("failed"), "failed")
    scene.order(scene.of("held"), "hold")
    scene.until(scene.of("held"), "held")
    edge.close(scene.of("switching"), "mobile")
    edge.close(scene.of("returning"), "fixed")
    scene.lose(scene.of("returning"), up=True)
    _waiting(scene, "fixed", "returning")
    scene.lose(scene.of("switching"))
    _waiting(scene, "mobile", "switching")
    with w.sim() as sim:
        for name in scene.names(scene.of("suspect")):
            sim.lose_line(name)
    scene.until(scene.of("suspect"), "suspect")
    scene.kill()
    scene.stop("killed")
    half_way = [*scene.of("switching", half="a"), *scene.of("returning", half="a")]
    edge.lose(half_way)
    edge.open()
    eventually("what the edge still does", lambda: not edge.waiting("fixed") | edge.waiting("mobile"))
    edge.close(scene.of("switching"), "mobile")
    edge.close(scene.of("returning"), "fixed")
    scene.lose(scene.of("held", half="a"))


def _waiting(scene: Scene, over: str, group: str) -> None:
    wanted = set(scene.of(group))
    eventually(f"{group} lines at the edge", lambda: scene.edge.waiting(over) == wanted, within=LONG)


def _taken_up(scene: Scene) -> None:
    """A second daemon finds all that, and gets the time to do something wrong."""
    scene.w.serve()
    _waiting(scene, "mobile", "switching")
    _waiting(scene, "fixed", "returning")
    held = scene.of("held", half="a")

    def told() -> bool:
        found = scene.look()
        return all(("line", 1) in found[line].incidents for line in held)

    eventually("what was lost while nobody looked", told, within=LONG)
    time.sleep(3)  # noqa: TID251  that nothing happens can only be waited for
    scene.stop("taken up")


def _to_rest(scene: Scene) -> None:
    edge, w = scene.edge, scene.w
    edge.open()
    lost = [*scene.of("fixed"), *scene.of("suspect", half="b")]
    with w.sim() as sim:
        for name in scene.names(scene.of("suspect", half="a")):
            sim.restore_line(name)
    scene.lose(lost)
    scene.kill_among(lost, "switching", 0.5)
    scene.until([*lost, *scene.of("switching", "mobile")], "mobile")
    scene.until([*scene.of("returning"), *scene.of("suspect", half="a")], "fixed")
    scene.until(scene.of("failed"), "failed")
    scene.until(scene.of("held"), "held")
    scene.stop("at rest")


def _and_back(scene: Scene) -> None:
    scene.edge.refused.clear()
    back = scene.of("fixed")
    scene.lose([*back, *scene.of("failed"), *scene.of("held", half="a")], up=True)
    scene.kill_among(back, "returning", 0.5)

    def up() -> bool:
        found = scene.look()
        return all(found[line].condition == "up" for line in scene.of("held", half="a"))

    eventually("word of the held lines", up, within=LONG)
    scene.order(scene.of("held"), "release")
    away = set(scene.away)
    scene.until(set(scene.lines) - away, "fixed")
    scene.until(away, "mobile")
    scene.stop("back")


@contextmanager
def played(home: Path) -> Iterator[Scene]:
    """The whole scene, played to its end; what was seen at each stop is kept."""
    port = free_udp_port()
    settings = {"CPE_MANAGER_SNMP_TRAP_HOST": "127.0.0.1", "CPE_MANAGER_SNMP_TRAP_PORT": str(port)}
    with edge_server() as edge, world(home, **settings) as w:
        virtual = ("--mix", "frr_linux", "--option", "frr_linux.mode=linux")
        snmp = ("--snmp-port", "0", "--trap-sink", f"127.0.0.1:{port}")
        w.fleet(EACH * len(GROUPS), extra=(*virtual, *snmp))
        w.init()
        with (w.data / "cpe-manager.toml").open("a") as file:
            file.write(SETTINGS)
        (w.data / "platforms.toml").write_text(
            "".join(
                f'[platforms.edge-{number}]\nkind = "http"\nurl = "{edge.url}"\nseconds = 300\n'
                for number in range(PLATFORMS)
            )
        )
        w.serve()
        # The first contact learns the host keys.
        w.ok("devices", "import", str(w.inventory))
        eventually("the first backups", lambda: w.get("jobs")["items"][0]["state"] == "done", within=LONG)
        scene = Scene(w, edge)
        for step in (_set_up, _into_all_states, _taken_up, _to_rest, _and_back):
            began = time.monotonic()
            step(scene)
            scene.took[step.__name__] = round(time.monotonic() - began, 1)
        yield scene
