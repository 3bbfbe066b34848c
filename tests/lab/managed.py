"""The manager at work in the lab of lines that can be cut: the daemon in the manager's network, and lines set up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.lab import outputs
from simulators.lab.control import Control
from simulators.lab.measure import Measuring
from simulators.lab.netns import Running
from simulators.lab.plan import EDGE_LOOPBACK
from tests.e2e.world import World, eventually, world

QUICK = """
nightly_cron = "0 1 * * *"
failover_renew_seconds = 300

[failover_policy]
probe_every = 0.2
misses = 3
up_for = 3.0
up_for_most = 6.0
flap_memory = 1.0
retry_after = 10.0
test_every_days = 0
"""
VOICE = [
    {"protocol": "udp", "ports": "5060-5061"}, {"protocol": "tcp", "ports": "5060-5061"},
    {"protocol": "udp", "ports": "10000-20000"},
]  # fmt: skip
"""SIP and RTP never go out over mobile (§7.6)."""


@dataclass
class Managed:
    lab: Running
    w: World

    @property
    def control(self) -> Control:
        return Control(self.lab.plan, self.lab)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        path = self.w.data / "cpe-manager.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query).fetchall()

    def state(self) -> str:
        return str(self.rows("select state from line_state")[0][0])

    def reaches(self, state: str, within: float = 90.0) -> None:
        eventually(f"{state}, not {self.state()}\n{self.w.logs()}", lambda: self.state() == state, within=within)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":
            return self.w.get(path)
        with self.w.network(), self.w.api() as api:
            answer = api.request(method, f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def log_has(self, event: str, number: int = 1) -> bool:
        return (self.w.home / "daemon.log").read_text(errors="replace").count(event) >= number

    def measured(self, seconds: float, *kinds: str) -> Measuring:
        return Measuring(self.lab, self.lab.plan, 1, seconds, kinds or ("udp", "tcp"), counted=self.control.counted)

    def set_up(self) -> None:
        """Devices, backups, voice kept off mobile, lines with a passed coverage check."""
        self.w.ok("devices", "import", str(self.w.inventory))
        eventually("the first backups", lambda: self.api("GET", "jobs")["items"][0]["state"] == "done")
        for cpe in self.lab.plan.all_cpes():
            change = {"mobile": {"barred": VOICE}}
            push = self.api("POST", "pushes", {"device": cpe.name, "change": change})
            ended = eventually("the bar on voice", lambda one=push["id"]: self._ended(one))
            assert ended["phase"] == "confirmed" or "nothing to change" in (ended["reason"] or ""), ended
            line = outputs.line_setup(cpe)
            line.pop("coverage")
            if cpe.routing == "bgp":
                line.pop("fixed_ipv6")  # in the lab BGP carries IPv4 alone
            self.api("PUT", f"lines/{line.pop('device')}", line)
            self.api("POST", f"lines/{cpe.name}/coverage", {"verdict": "passed", "reason": "measured in the lab"})

    def is_ready(self) -> None:
        """The line was seen up, and its box is ready to be switched in one round trip."""
        eventually("a ready box", lambda: self.log_has("swift.ready"), within=60)
        eventually("the line to be seen", lambda: self.rows("select condition from line_state") == [("up",)])

    def ready_again(self, number: int) -> None:
        """The same after ``number - 1`` switches."""
        eventually("a ready box", lambda: self.log_has("swift.ready", number), within=120)
        eventually("the line to be seen", lambda: self.rows("select condition from line_state") == [("up",)])

    def log(self) -> str:
        return (self.w.home / "daemon.log").read_text(errors="replace")

    def _ended(self, push_id: str) -> Any:
        push = self.api("GET", f"pushes/{push_id}")
        return push if push["ended_at"] else None


def host_key(lab: Running) -> str:
    """The edge's, as an operator copies it: algorithm and base64."""
    told = lab.run("manager", "ssh-keyscan", "-t", "ed25519", str(EDGE_LOOPBACK))
    return " ".join(next(line for line in told.splitlines() if not line.startswith("#")).split()[1:3])


@contextmanager
def managed(lab: Running, home: Path, settings: str = QUICK, *, set_up: bool = True) -> Iterator[Managed]:
    """``set_up`` False: the daemon serves, and nothing is in its inventory yet."""
    with world(home) as w:
        w.within, w.network = lab.within("manager"), lambda: lab.network_of("manager")
        w.env["PYTHONPATH"] = str(Path(__file__).parents[2])
        w.init()
        with (w.data / "cpe-manager.toml").open("a") as file:
            file.write(settings)
        w.credentials.write_text(outputs.credentials(str(lab.key_file)))
        (w.data / "platforms.toml").write_text(outputs.platforms(host_key(lab)))
        w.inventory.write_text(outputs.inventory(lab.plan))
        w.serve()
        made = Managed(lab, w)
        if set_up:
            made.set_up()
        yield made
