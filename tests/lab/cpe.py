"""A real CPE: OpenSSH, FRR, nftables, dnsmasq and snmpd from Debian, with a host on its LAN and the internet before it.

The box has an ``/etc`` of its own: a layer over the machine's that nobody else sees and that goes with the box. Host
and internet are network namespaces within the box's, so that they end with it, too. The box is managed as root over a
line of its own, ``mgmt0``, which is neither LAN nor WAN.
"""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from simulators.lab.netns import inside
from tests.lab.box import LabError, RealBox

PROGRAMS = (
    *("/usr/sbin/sshd", "/usr/lib/frr/zebra", "/usr/bin/vtysh", "/usr/bin/unshare", "/usr/bin/nsenter"),
    *("/usr/sbin/nft", "/usr/sbin/dnsmasq", "/etc/init.d/dnsmasq", "/usr/sbin/snmpd", "/usr/bin/snmpget"),
    *("/usr/bin/busybox", "/usr/sbin/pppd", "/usr/sbin/hostapd", "/usr/sbin/ifup", "/usr/sbin/dhclient"),
)


@dataclass(slots=True)
class RealCpe(RealBox):
    """The customer's interfaces: ``eth0`` to the internet (namespace ``inet``), bridge ``br-lan`` (``host``)."""

    user: ClassVar[str] = "root"
    script: ClassVar[str] = "cpe.sh"
    line_inside: ClassVar[str] = "mgmt0"

    def read(self, path: str) -> str:
        """A file of the box."""
        return self.run("cat", path)

    def host(self, *command: str) -> str:
        """Run a command on the customer's host."""
        return self.run("ip", "netns", "exec", "host", *command)

    def inet(self, *command: str) -> str:
        """Run a command in the internet."""
        return self.run("ip", "netns", "exec", "inet", *command)

    def watch_frr(self) -> None:
        """From now on FRR runs as on a box that its service started: under watchfrr, which a restart of it needs."""
        self.run(
            "sh",
            "-c",
            "printf 'bgpd=yes\\nvtysh_enable=yes\\n' >/etc/frr/daemons; "
            "for name in bgpd staticd zebra; do kill $(cat /run/frr/$name.pid); done; sleep 1; service frr start",
        )

    def restart(self) -> None:
        """What a power cycle does to the router: nothing is left but what is in its files. SSH stays."""
        self.run("bash", str(Path(__file__).with_name("cpe-boot.sh")), "again")

    def can_reboot(self, seconds: int) -> None:
        """From now on ``reboot`` on the box does what a set of namespaces can (see the script), and takes so long."""
        script = Path(__file__).with_name("cpe-reboot.sh")
        told = f"#!/bin/sh\\nexec bash {script} {seconds}\\n"
        place = "/usr/local/sbin"  # of the box's own: nobody else sees what is mounted there
        made = f"mount -t tmpfs box {place} && printf '{told}' >{place}/reboot && chmod +x {place}/reboot"
        self.run("sh", "-c", made)

    @property
    def internet(self) -> tuple[str, ...]:
        """What a command is put behind, for it to run in the internet before the box, with the test's own files."""
        return ("nsenter", f"--net={self._internet}", "--")

    def in_internet(self) -> AbstractContextManager[None]:
        """The calling thread's sockets are opened there meanwhile."""
        return inside(self._internet)

    @property
    def _internet(self) -> Path:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/root/run/netns/inet")

    def gets(self, place: str, address: str, port: int, *, source: str = "") -> str:
        """What a TCP server says to who connects from ``host`` or ``inet``; empty when it cannot be reached."""
        bound = f"s.bind(('{source}', 0)); " if source else ""
        code = (
            f"import socket; s = socket.socket(); s.settimeout(1.5); {bound}"
            f"s.connect(('{address}', {port})); print(s.recv(99).decode())"
        )
        try:
            return self.run("ip", "netns", "exec", place, "/usr/bin/python3", "-c", code).strip()
        except LabError as error:
            if "TimeoutError" in str(error) or "timed out" in str(error):
                return ""
            if "ConnectionRefusedError" in str(error) or "No route to host" in str(error):
                return "refused"
            raise

    def serve(self, place: str, port: int) -> None:
        """A TCP server in ``host`` or ``inet`` that tells each client the address that it comes from."""
        code = (
            "import socket\n"
            f"s = socket.create_server(('', {port}))\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    c, (ip, port) = s.accept()\n"
            "    c.sendall(ip.encode())\n"
            "    c.close()\n"
        )
        # It ends with the box: the kernel ends what is left in the box's process namespace.
        self.run(
            *("ip", "netns", "exec", place, "bash", "-c"),
            f"setsid /usr/bin/python3 -c {_quoted(code)} </dev/null >/run/served-{place}-{port} 2>&1 & "
            f"for i in {{1..100}}; do grep -q ready /run/served-{place}-{port} && exit; sleep 0.05; done; exit 1",
        )

    def dhcp(self) -> dict[str, str]:
        """Ask for an address from the customer's host with a real client; what it was given, by BusyBox's names."""
        script = str(Path(__file__).with_name("lease.sh"))
        told = self.host("busybox", "udhcpc", "-i", "lan0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", script)
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def try_run(self, *command: str) -> tuple[int, str]:
        """Run a command inside the box that may fail: its status, and all that it said."""
        assert self._process is not None
        pid = self._process.pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--uts", f"--pid=/proc/{pid}/ns/pid_for_children"]
        done = subprocess.run([*enter, "--", *command], capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout + done.stderr


def _quoted(code: str) -> str:
    return "'" + code.replace("'", "'\\''") + "'"
