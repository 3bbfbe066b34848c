"""The lab in containers: the text of ``docker-compose.yml``, and getting into one that runs.

The file runs unchanged with ``docker compose`` and ``podman-compose``. ``cpe-sim lab compose`` writes it, so that
its addresses are those of ``plan.py``; what lies beside it is what that prints for two customers. There is no access
node: the engine's own bridges take its place, and a line's carrier is taken away at the machine's end of its veth pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from simulators.lab.control import Side
from simulators.lab.places import LabError, run
from simulators.lab.plan import (
    APN_NET,
    INTERNET_NET,
    MANAGER_NET,
    LabPlan,
    engine_address,
    environment,
    first,
    role_of,
    second,
)

FILE: Final = Path(__file__).with_name("docker-compose.yml")
_HEAD: Final = """\
# An edge, a mobile operator, the internet, and {cpes} customers, as containers. Written by `cpe-sim lab compose`.
#
#     export LAB_KEY="$(cat key.pub)"              # who may log in to the boxes and the edge as root
#     docker compose up --build -d                 # or podman-compose
#     docker compose exec cpe1 vtysh               # ... docker compose --profile virtual up: virtual CPEs beside them
#
# FRR does not start without SYS_ADMIN. Networks must not be `internal`: then transit traffic is dropped.
name: cpe-lab

x-node: &node
  image: cpe-lab-node:latest
  build:
    context: .
  cap_add: [NET_ADMIN, NET_RAW, SYS_ADMIN]
  sysctls:
    net.ipv4.ip_forward: "1"
    net.ipv4.conf.all.rp_filter: "0"
    net.ipv4.conf.default.rp_filter: "0"
    net.ipv6.conf.all.disable_ipv6: "0"
    net.ipv6.conf.default.disable_ipv6: "0"
    net.ipv6.conf.all.forwarding: "1"
  stop_grace_period: 1s

services:
"""
_VIRTUAL: Final = """\
  virtual-cpes:
    image: cpe-manager:latest
    profiles: [virtual]
    entrypoint: [cpe-sim]
    command: [fleet, --count, "30", --base, {address}, --beyond-loopback, --port, "0", --control, /tmp/sim.sock,
      --inventory, /var/lib/cpe-manager/virtual.csv, --credentials, /var/lib/cpe-manager/virtual.toml]
    volumes:
      - virtual:/var/lib/cpe-manager
    networks:
      operator:
        ipv4_address: {address}

volumes:
  virtual:

"""


def text(plan: LabPlan) -> str:
    """The whole file."""
    parts = [_HEAD.format(cpes=plan.cpes)]
    parts += ["".join(_service(plan, node)) for node in plan.nodes if node != "access"]
    parts.append(_VIRTUAL.format(address=MANAGER_NET.network_address + 3))
    parts.append("networks:\n")
    parts += [_network(name, net) for name, net in networks(plan).items()]
    return "".join(parts)


def networks(plan: LabPlan) -> dict[str, IPv4Network]:
    found = {"operator": MANAGER_NET, "apn": APN_NET, "internet": INTERNET_NET}
    for cpe in plan.all_cpes():
        n = cpe.number
        found |= {f"fixed{n}": cpe.line, f"lan{n}": cpe.lan, f"sim{n}": cpe.mobile}
    return found


def joined(plan: LabPlan, node: str) -> dict[str, str]:
    """The networks of a node with its address in each, the first of which an engine calls ``eth0``."""
    role = role_of(node)
    if role in ("cpe", "lan"):
        cpe = plan.cpe(int(node[3:]))
        if role == "lan":
            return {f"lan{cpe.number}": str(cpe.lan_host.ip)}
        ways = {f"fixed{cpe.number}": cpe.line_address, f"lan{cpe.number}": cpe.lan_gateway.ip}
        return {name: str(address) for name, address in (ways | {f"sim{cpe.number}": cpe.mobile_address}).items()}
    if role == "edge":
        lines = {f"fixed{cpe.number}": str(cpe.line_gateway) for cpe in plan.all_cpes()}
        return lines | {name: str(first(networks(plan)[name])) for name in ("operator", "apn", "internet")}
    if role == "mobile":
        return {"apn": str(second(APN_NET))} | {f"sim{cpe.number}": str(cpe.mobile_gateway) for cpe in plan.all_cpes()}
    name = {"internet": "internet", "manager": "operator"}[role]
    return {name: str(second(networks(plan)[name]))}


def _service(plan: LabPlan, node: str) -> Iterator[str]:
    yield f"  {node}:\n    <<: *node\n    hostname: {node}\n    environment:\n"
    for name, value in environment(plan, node).items():
        if "\n" in value or name == "LAB_CPES":
            yield f"      {name}: |-\n" + "".join(f"        {line}\n" for line in value.splitlines())
        else:
            yield f'      {name}: "{value}"\n'
    if role_of(node) in ("cpe", "edge"):
        yield '      LAB_KEY: "${LAB_KEY:?the public key that may log in}"\n'
    yield "    networks:\n"
    for name, address in joined(plan, node).items():
        yield f"      {name}:\n        ipv4_address: {address}\n"
    yield "\n"


def _network(name: str, net: IPv4Network) -> str:
    return f"  {name}:\n    ipam:\n      config:\n        - subnet: {net}\n          gateway: {engine_address(net)}\n"


@dataclass(slots=True)
class Containers:
    """``Places`` and ``Wires`` of a lab that ``compose`` has started as ``project``. ``engine``: the command that
    containers are reached with, such as ``("docker",)``; it runs on this machine, as root."""

    plan: LabPlan
    project: str
    engine: tuple[str, ...] = ("docker",)
    _names: dict[str, str] = field(default_factory=dict, init=False)

    def within(self, node: str) -> tuple[str, ...]:
        return (*self.engine, "exec", "-i", self._container(node))

    def script(self, name: str) -> str:
        return f"/lab/nodes/{name}"

    def python(self) -> str:
        return "python3"

    def probes(self) -> str:
        return "/lab/probes.py"

    def run(self, node: str, *command: str) -> str:
        return run(*self.within(node), *command)

    def ready(self, node: str) -> bool:
        try:
            self.run(node, "test", "-e", "/run/lab.ready")
        except LabError:
            return False
        return True

    def carrier(self, number: int, side: Side, up: bool) -> None:
        cpe = self.plan.cpe(number)
        ends = [(cpe.name, self._port(cpe.name, str(cpe.line_address)))] if side in ("cpe", "both") else []
        self._outer_ends([*ends, ("edge", f"line{number}")] if side in ("edge", "both") else ends, up)

    def mobile(self, number: int, up: bool) -> None:
        self._outer_ends([("mobile", f"sim{number}"), (f"cpe{number}", "wwan0")], up)

    def drop(self, number: int, shares: dict[str, float]) -> None:
        device = f"line{number}"
        lines = [f"table netdev {device}", f"delete table netdev {device}"]
        if shares:
            lines.append(f"table netdev {device} {{")
            for direction, share in shares.items():
                hook = "ingress" if direction == "up" else "egress"
                rule = "drop" if share >= 1 else f"numgen random mod 10000 < {round(share * 10_000)} drop"
                head = f'type filter hook {hook} device "{device}" priority 0; policy accept;'
                lines += [f"chain {direction} {{", head, rule, "}"]
            lines.append("}")
        run(*self.within("edge"), "nft", "-f", "-", given="\n".join([*lines, ""]))

    def _container(self, node: str) -> str:
        if node not in self._names:
            labels = (f"com.docker.compose.project={self.project}", f"com.docker.compose.service={node}")
            asked = (
                *self.engine,
                "ps",
                "--quiet",
                *(word for label in labels for word in ("--filter", f"label={label}")),
            )
            found = run(*asked).split()
            if not found:
                raise LabError(f"no container runs for {node} of project {self.project}")
            self._names[node] = found[0]
        return self._names[node]

    def _port(self, node: str, address: str) -> str:
        rows = json.loads(self.run(node, "ip", "-j", "-4", "address", "show"))
        names = [row["ifname"] for row in rows for own in row["addr_info"] if own["local"] == address]
        if not names:
            raise LabError(f"{node} has no interface with {address}")
        return str(names[0])

    def _outer_ends(self, ends: Sequence[tuple[str, str]], up: bool) -> None:
        """Of veth pairs, by node and interface: the machine's ends, which the engine's bridges hold, all at once."""
        rows = {row["ifindex"]: row["ifname"] for row in json.loads(run("ip", "-j", "link", "show"))}
        lines = []
        for node, device in ends:
            name = rows.get(int(self.run(node, "cat", f"/sys/class/net/{device}/iflink")))
            if name is None:
                raise LabError(f"the other end of {device} of {node} is not on this machine")
            lines.append(f"link set {name} {'up' if up else 'down'}\n")
        run("ip", "-batch", "-", given="".join(lines))
