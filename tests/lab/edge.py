"""A real edge router: FRR with BGP and BFD, a CPE behind it that is reached over a line and over mobile."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from cpe_manager.ports.platform import Routed
from tests.lab.box import RealBox

PROGRAMS = (
    *("/usr/sbin/sshd", "/usr/lib/frr/zebra", "/usr/lib/frr/bfdd", "/usr/bin/vtysh", "/usr/bin/unshare"),
    *("/usr/bin/nsenter", "/usr/bin/ping"),
)
FIXED_ADDRESS = IPv4Network("203.0.113.10/32")
FIXED_BLOCK = IPv6Network("2001:db8:10::/56")
LINE = Routed("line-1", "Gent", FIXED_ADDRESS, FIXED_BLOCK, "10.1.0.2, fd01::2", "10.2.0.2, fd02::2")


class RealEdge(RealBox):
    """``fix0`` and ``mob0`` lead to the CPE, whose loopback has the fixed addresses of ``LINE``. The line's routes are
    static with distance 10; ``speak_bgp`` adds a session over the line."""

    def start(self) -> None:
        super().start()
        try:
            self.run("bash", str(Path(__file__).with_name("edge.sh")))
            self.set_config(f"ip route {FIXED_ADDRESS} 10.1.0.2 10", f"ipv6 route {FIXED_BLOCK} fd01::2 10")
        except BaseException:
            self.stop()
            raise

    def speak_bgp(self) -> None:
        """BGP and BFD (100 ms x 3) with the CPE, whose fixed address is then told by BGP alone."""
        self.set_config(
            f"no ip route {FIXED_ADDRESS} 10.1.0.2 10",
            "bfd",
            "peer 10.1.0.2",
            "receive-interval 100",
            "transmit-interval 100",
            "exit",
            "exit",
            "router bgp 65000",
            "no bgp ebgp-requires-policy",
            "timers bgp 1 3",
            "neighbor 10.1.0.2 remote-as 65010",
            "neighbor 10.1.0.2 bfd",
            "neighbor 10.1.0.2 timers connect 1",
        )

    def cpe(self, *command: str) -> str:
        """Run a command on the CPE behind the edge."""
        return self.run("ip", "netns", "exec", "cpe", *command)

    def kernel_route(self, address: str) -> str:
        """The interface that the edge's kernel sends packets for an address out of; empty when it has no route."""
        found: list[dict[str, Any]] = json.loads(
            self.run("sh", "-c", f"ip -j route get {address} 2>/dev/null || echo []")
        )
        return str(found[0].get("dev", "")) if found else ""
