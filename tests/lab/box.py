"""A real router to manage: Debian's OpenSSH server and FRR in namespaces of their own.

Mounts, network, processes and host name of a box are private: the machine's ``/etc`` and its services are left alone.
One veth pair joins box and test; its name is taken from the kernel atomically, and number and address follow from it,
so labs run side by side. A box lives as long as its owner: when that goes, by whatever way, the box's first process
reads the end of its standard input, ends, and the kernel clears the rest.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

LoginShell = Literal["/usr/bin/vtysh", "/bin/bash"]

USER = "admin"
_POOL = IPv4Network("198.18.0.0/15")  # RFC 2544: for tests of network equipment
_BOXES = 2**15
_START_SECONDS = 45.0
_COMMAND_SECONDS = 20.0
_PROGRAMS = ("/usr/sbin/sshd", "/usr/lib/frr/zebra", "/usr/bin/vtysh", "/usr/bin/unshare", "/usr/bin/nsenter")


class LabError(Exception):
    """The lab itself did not do what was asked; the message says which command and what it answered."""


def missing(programs: tuple[str, ...] = _PROGRAMS) -> str:
    """What keeps boxes from starting here, as one line; empty when nothing does."""
    if os.geteuid() != 0:
        return "namespaces need root"
    absent = [program for program in programs if not Path(program).exists()]
    return f"not installed: {', '.join(absent)} (scripts/debian-packages.sh lab)" if absent else ""


@dataclass(slots=True)
class RealBox:
    """One router with one user, ``admin``, who may log in by password and by key.

    ``shell`` is the user's login shell: vtysh puts the user straight into the router, bash has to call ``vtysh -c``.
    """

    name: str
    shell: LoginShell
    password: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    port: int = field(default=22, init=False)
    address: str = field(default="", init=False)
    line: str = field(default="", init=False)
    """Our end of the veth pair."""
    user: ClassVar[str] = USER
    script: ClassVar[str] = "box.sh"
    line_inside: ClassVar[str] = "wan0"
    """The box's end of the line."""
    _process: subprocess.Popen[str] | None = field(default=None, init=False, repr=False)
    _state: Path = field(default=Path(), init=False, repr=False)

    @property
    def private_key(self) -> str:
        """The user's private key, OpenSSH text."""
        return (self._state / "user_key").read_text()

    @property
    def private_key_file(self) -> Path:
        return self._state / "user_key"

    @property
    def host_key(self) -> str:
        """The host key that the box shows now: ``algorithm base64``."""
        return " ".join((self._state / "host_key.pub").read_text().split()[:2])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when the router answers and the SSH server listens. Raises ``LabError``, leaving nothing behind."""
        self._state = Path(tempfile.mkdtemp(prefix="cpe-lab-"))
        try:
            self._write_state()
            self._start_namespaces()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every process of the box; its namespaces and its line go with them. Safe to repeat."""
        if self._process is not None:
            try:
                self._process.communicate(timeout=_COMMAND_SECONDS)  # closes its standard input: the sign to end
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
            self._process = None
        if self.line:
            # The kernel removes the line with the namespace, but in its own time; either may come first.
            subprocess.run(["ip", "link", "delete", self.line], capture_output=True, check=False)
        shutil.rmtree(self._state, ignore_errors=True)

    def run(self, *command: str) -> str:
        """Run a command inside the box, as root; what it printed. Raises ``LabError`` when it fails."""
        if self._process is None:
            raise LabError(f"box {self.name} is not running")
        pid = self._process.pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--uts", f"--pid=/proc/{pid}/ns/pid_for_children"]
        return _run(*enter, "--", *command)

    def set_config(self, *lines: str) -> None:
        """Enter configuration lines through vtysh, one after the other. Raises ``LabError`` at a refused one.

        vtysh goes on after a bad line, and not every refusal shows in its exit status; good lines print nothing.
        """
        entered = [part for line in ("configure terminal", *lines) for part in ("-c", line)]
        answer = self.run("vtysh", *entered).strip()
        if answer:
            raise LabError(f"box {self.name} answered to {lines}: {answer}")

    def running_config(self) -> str:
        """The router's configuration as the router itself tells it, over no SSH: the truth to compare with."""
        return self.run("vtysh", "-c", "show running-config")

    def rotate_host_key(self) -> str:
        """Give the SSH server another host key, as a swapped box would have; the new key, ``algorithm base64``."""
        _new_key(self._state / "host_key", "replaced")
        self.run("sh", "-c", "kill -HUP $(cat /run/sshd.pid)")
        # A reload starts the server's program anew; it listens again when its port answers.
        self.run("bash", "-c", "for i in {1..200}; do : </dev/tcp/127.0.0.1/22 && exit; sleep 0.05; done; exit 1")
        return self.host_key

    def _write_state(self) -> None:
        state = self._state
        _new_key(state / "host_key", self.name)
        _new_key(state / "user_key", USER)
        shutil.copy(state / "user_key.pub", state / "authorized_keys")
        digest = _run("openssl", "passwd", "-6", "-stdin", given=self.password).strip()
        for file, entry in (
            ("passwd", f"{USER}:x:4242:4242::/home/{USER}:{self.shell}"),
            ("group", f"{USER}:x:4242:"),
            ("shadow", f"{USER}:{digest}:20000::::::"),
        ):
            text = Path("/etc", file).read_text()
            if file == "group":
                text = _with_member(text, "frrvty", USER)
            (state / file).write_text(f"{text}{entry}\n")
        # PAM's helper reads it as group shadow when vtysh checks the account of who logs in.
        shutil.chown(state / "shadow", group="shadow")
        (state / "shadow").chmod(0o640)
        (state / "frr.conf").write_text(f"frr defaults traditional\nhostname {self.name}\nlog syslog informational\n")
        (state / "sshd_config").write_text(_SSHD_CONFIG.format(host_key=state / "host_key", user=USER))

    def _start_namespaces(self) -> None:
        self.line, ours, theirs = _new_line()
        self.address = str(theirs)
        script = str(Path(__file__).with_name(self.script))
        unshare = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        first = ["bash", script, str(self._state), self.name, f"{theirs}/30"]
        with (self._state / "log").open("w") as log:
            self._process = subprocess.Popen(
                [*unshare, *first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        _wait_until_unshared(self._process)
        _run("ip", "link", "set", f"{self.line}p", "name", self.line_inside, "netns", str(self._process.pid))
        _run("ip", "address", "add", f"{ours}/30", "dev", self.line)
        _run("ip", "link", "set", self.line, "up")
        self._await_ready()

    def _await_ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        if not readable or self._process.stdout.readline() != "ready\n":
            raise LabError(f"box {self.name} did not start:\n{(self._state / 'log').read_text()}")


_SSHD_CONFIG = """\
Port 22
AddressFamily inet
HostKey {host_key}
PidFile /run/sshd.pid
AllowUsers {user}
UsePAM no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication yes
AuthorizedKeysFile .ssh/authorized_keys
PrintMotd no
MaxStartups 200
"""


def _run(*command: str, given: str | None = None) -> str:
    told = " ".join(command)
    told = told if len(told) < 300 else f"{told[:300]}..."
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{told}: no end after {_COMMAND_SECONDS:g} s") from None
    if done.returncode != 0:
        raise LabError(f"{told}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _new_key(path: Path, comment: str) -> None:
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def _with_member(group_file: str, group: str, user: str) -> str:
    lines = group_file.splitlines()
    found = [index for index, line in enumerate(lines) if line.startswith(f"{group}:")]
    if not found:
        raise LabError(f"no group {group}: is FRR installed?")
    line = lines[found[0]]
    lines[found[0]] = f"{line}{user}" if line.endswith(":") else f"{line},{user}"
    return "\n".join(lines) + "\n"


def _new_line() -> tuple[str, IPv4Address, IPv4Address]:
    """A veth pair nobody has: its name, our address and the box's. The kernel refuses a name that is taken."""
    for _ in range(100):
        number = secrets.randbelow(_BOXES)
        line = f"cpelab{number}"
        try:
            _run("ip", "link", "add", line, "type", "veth", "peer", "name", f"{line}p")
        except LabError as error:
            if "File exists" not in str(error):
                raise
            continue
        first = _POOL.network_address + 4 * number
        return line, first + 1, first + 2
    raise LabError("no free line number in 100 tries")


def _wait_until_unshared(process: subprocess.Popen[str]) -> None:
    """Wait until the process has left our network namespace; only then may its end of the line move over."""
    ours = Path("/proc/self/ns/net").readlink()
    pause = select.poll()
    for _ in range(1000):
        try:
            theirs = Path(f"/proc/{process.pid}/ns/net").readlink()
        except OSError as error:
            raise LabError("unshare ended at once") from error
        if theirs != ours:
            return
        pause.poll(5)
    raise LabError("unshare made no network namespace")
