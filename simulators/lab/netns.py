"""A lab in network namespaces: it starts in about a second, needs root and packages, changes nothing of the machine.

Each node has network, process, mount and host-name namespaces of its own, and those that have files have layers over
the machine's ``/etc`` and ``/var``. A wire is made with its ends in two nodes and never shows on the machine, so labs
run side by side with the same names and addresses. A lab lives as long as its owner: when that goes, by whatever way,
each node's first process reads the end of its standard input, ends, and the kernel clears the rest.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from simulators.lab.places import NODES, PROBES, LabError, run
from simulators.lab.plan import APN_NET, LabPlan, environment, links, second

PROGRAMS: Final = (
    *("/usr/sbin/sshd", "/usr/lib/frr/zebra", "/usr/lib/frr/bfdd", "/usr/bin/vtysh", "/usr/bin/unshare"),
    *("/usr/bin/nsenter", "/usr/sbin/nft", "/usr/sbin/dnsmasq", "/usr/sbin/snmpd", "/usr/bin/busybox"),
    "/usr/lib/x86_64-linux-gnu/frr/modules/bgpd_snmp.so",
)
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_STATE: Final = "state.json"
_CLONE_NEWNET: Final = 0x40000000


def missing() -> str:
    """What keeps a lab from starting here, as one line; empty when nothing does."""
    if os.geteuid() != 0:
        return "namespaces need root"
    absent = [program for program in PROGRAMS if not _there(program)]
    return f"not installed: {', '.join(absent)} (scripts/debian-packages.sh lab)" if absent else ""


def _there(program: str) -> bool:
    # The folder of modules is named after the machine's architecture.
    return Path(program).exists() or (
        "-linux-gnu" in program and any(Path("/usr/lib").glob(f"*/frr/modules/{Path(program).name}"))
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A lab that runs, seen from any process: its plan, its folder, and a process in each node's namespaces."""

    plan: LabPlan
    folder: Path
    owner: int
    pids: dict[str, int]

    def within(self, node: str) -> tuple[str, ...]:
        pid = self.pids.get(node)
        if pid is None:
            raise LabError(f"this lab has no node {node!r}; it has {', '.join(self.pids)}")
        if node == "manager":
            # What runs there is the machine's own, with the machine's files.
            return ("nsenter", f"--net=/proc/{pid}/ns/net", "--")
        spaces = ("--mount", "--net", "--uts", f"--pid=/proc/{pid}/ns/pid_for_children")
        return ("nsenter", f"--target={pid}", *spaces, "--")

    def script(self, name: str) -> str:
        return str(NODES / name)

    def python(self) -> str:
        return sys.executable

    def probes(self) -> str:
        return str(PROBES)

    @property
    def key_file(self) -> Path:
        """The private key that root of every box and the users of the edge are reached with."""
        return self.folder / "key"

    def run(self, node: str, *command: str) -> str:
        """Run a command inside a node, as root; what it printed. Raises ``LabError`` when it fails."""
        return run(*self.within(node), *command)

    def vtysh(self, node: str, *lines: str) -> str:
        """Give lines to a node's router one after the other. Raises ``LabError`` at a refused one: vtysh itself goes on
        after it, and not every refusal shows in its exit status."""
        told = self.run(node, "vtysh", *(part for line in lines for part in ("-c", line)))
        refused = [line for line in told.splitlines() if line.startswith("% ")]
        if refused:
            raise LabError(f"{node} answered to {lines}: {refused}")
        return told

    @contextlib.contextmanager
    def network_of(self, node: str) -> Iterator[None]:
        """Within this context the calling thread, and threads that it starts, open their sockets in the network of a
        node; files and processes stay the machine's. Raises ``LabError``."""
        if node not in self.pids:
            raise LabError(f"this lab has no node {node!r}")
        with inside(Path(f"/proc/{self.pids[node]}/ns/net")):
            yield

    def settle(self, seconds: float = 90.0) -> float:
        """Wait until routing has come to rest: every session of the edge is up, and each box that moves by itself has
        its way out over the fixed line. How long that took. Raises ``LabError`` when it does not come to that."""
        began = time.monotonic()
        while why := self._unsettled():
            if time.monotonic() > began + seconds:
                raise LabError(f"routing has not settled within {seconds:g} s: {why}")
            select.select([], [], [], 0.1)
        return time.monotonic() - began

    def _unsettled(self) -> str:
        told = self.vtysh("edge", "show bgp ipv4 unicast summary json")
        peers = json.loads(told)["peers"]
        # The mobile operator tells of each box that has no BGP of its own; one that has tells of two addresses.
        own = self.plan.routing == "bgp"
        expected = dict.fromkeys(peers, 2 if own else 0) | {str(second(APN_NET)): 0 if own else self.plan.cpes}
        up = {name for name, peer in peers.items() if peer["state"] == "Established"}
        if waiting := [name for name, peer in peers.items() if name not in up or peer["pfxRcd"] < expected[name]]:
            return f"BGP with {', '.join(waiting)}"
        bfd = json.loads(self.vtysh("edge", "show bfd peers json"))
        if waiting := [peer["peer"] for peer in bfd if peer["status"] != "up"]:
            return f"BFD with {', '.join(waiting)}"
        for cpe in self.plan.all_cpes():
            ways = json.loads(self.run(cpe.name, "ip", "-j", "-4", "route", "show", "default"))
            if [way["dev"] for way in ways] != ["eth0"]:
                return f"the default route of {cpe.name}"
        return ""

    def save(self) -> None:
        state = {"plan": asdict(self.plan), "owner": self.owner, "pids": self.pids}
        part = self.folder / f".{_STATE}"
        part.write_text(json.dumps(state))
        part.rename(self.folder / _STATE)

    @classmethod
    def load(cls, folder: Path) -> Running:
        """Raises ``LabError`` when no lab runs there."""
        try:
            state: dict[str, Any] = json.loads((folder / _STATE).read_text())
        except FileNotFoundError:
            raise LabError(f"no lab runs in {folder}") from None
        running = cls(LabPlan(**state["plan"]), folder, state["owner"], state["pids"])
        if not Path(f"/proc/{running.owner}").exists():
            raise LabError(f"the lab in {folder} is gone")
        return running


@contextlib.contextmanager
def inside(network: Path) -> Iterator[None]:
    """Within this context the calling thread, and threads that it starts, open their sockets in the network namespace
    of that file; files and processes stay the machine's. Raises ``LabError``; ``OSError`` when it has gone."""
    with Path("/proc/thread-self/ns/net").open("rb") as own, network.open("rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(descriptor: int) -> None:
    """``os.setns`` of Python 3.12, for the calling thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")


@dataclass(slots=True)
class NetnsLab:
    """A lab that this process owns; leaving the context ends it."""

    plan: LabPlan = field(default_factory=LabPlan)
    folder: Path | None = None
    """Where keys and state are kept; one is made, and removed at the end, where none is given."""
    started_in: float = field(default=0.0, init=False)
    """Seconds from nothing to all nodes ready."""
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict, init=False, repr=False)
    _own: Path | None = field(default=None, init=False, repr=False)
    _running: Running | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Running:
        """Returns when every node is ready. Raises ``LabError``, leaving nothing behind."""
        if reason := missing():
            raise LabError(reason)
        began = time.monotonic()
        if self.folder is None:
            self._own = self.folder = Path(tempfile.mkdtemp(prefix="cpe-lab-"))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_key()
            self._start_nodes()
        except BaseException:
            self.stop()
            raise
        pids = {node: process.pid for node, process in self._processes.items()}
        self._running = Running(self.plan, self.folder, os.getpid(), pids)
        self._running.save()
        self.started_in = time.monotonic() - began
        return self._running

    def stop(self) -> None:
        """Ends every process of the lab; namespaces and wires go with them. Safe to repeat."""
        for process in self._processes.values():
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()  # the sign to end; the kernel ends all others of the node's with its first
        for process in self._processes.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()
        if self.folder is not None:
            (self.folder / _STATE).unlink(missing_ok=True)
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self.folder = self._own = None

    def running(self) -> Running:
        if self._running is None:
            raise LabError("the lab is not running")
        return self._running

    def _make_key(self) -> None:
        assert self.folder is not None
        key = self.folder / "key"
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key))

    def _start_nodes(self) -> None:
        assert self.folder is not None
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        shared = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LAB_BACKEND": "netns",
            "LAB_KEY": (self.folder / "key.pub").read_text().strip(),
            "LAB_PYTHON": sys.executable,
            "LAB_PROBES": str(PROBES),
        }
        unshare = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        for node in self.plan.nodes:
            with (logs / node).open("w") as log:
                self._processes[node] = subprocess.Popen(
                    [*unshare, "bash", str(NODES / "node.sh")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=shared | environment(self.plan, node),
                )
        self._await("unshared")
        self._wire()
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        self._await("ready")

    def _wire(self) -> None:
        lines = []
        for (one, end), (other, far) in links(self.plan):
            pids = self._processes[one].pid, self._processes[other].pid
            lines.append(f"link add {end} netns {pids[0]} type veth peer name {far} netns {pids[1]}\n")
        run("ip", "-batch", "-", given="".join(lines))

    def _await(self, word: str) -> None:
        """Wait until every node has said ``word``."""
        assert self.folder is not None
        waiting = {process.stdout: node for node, process in self._processes.items() if process.stdout}
        end = time.monotonic() + _START_SECONDS + len(waiting)
        while waiting:
            readable, _, _ = select.select(list(waiting), [], [], max(0.0, end - time.monotonic()))
            if not readable:
                raise LabError(f"these nodes did not get to {word!r}: {', '.join(waiting.values())}")
            for stream in readable:
                node = waiting[stream]
                said = stream.readline().strip()
                if said == word:
                    del waiting[stream]
                elif not said:
                    log = (self.folder / "logs" / node).read_text()
                    raise LabError(f"node {node} did not start:\n{log}")
