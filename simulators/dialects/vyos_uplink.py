"""The links and default routes of a VyOS box, made from its running configuration."""

from __future__ import annotations

from simulators.dialects import vyos_box
from simulators.dialects.shell import Call
from simulators.dialects.uplink import Default, Link, ip_tool, mobile_address, nearest, only_up, ping
from simulators.dialects.vyos_config import Tree, exists, value, values
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState

_GIVEN = 210
"""The distance of what DHCP and PPPoE give."""


def links(tree: Tree, state: DeviceState) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for kind in values(tree, "interfaces"):
        for name in values(tree, f"interfaces {kind}"):
            path = f"interfaces {kind} {name}"
            given = values(tree, f"{path} address")
            dialled = kind == "pppoe" or ("dhcp" in given and kind == "ethernet")
            below = value(tree, f"{path} source-interface") or name
            outside = dialled or below == "eth0"
            off = exists(tree, [*path.split(), "disable"])
            up = not off and (state.mobile_up if kind == "wwan" else state.line_up or not outside)
            if kind == "pppoe" and not up:
                continue  # what is not dialled is not there
            own = tuple(one for one in given if "/" in one and ":" not in one)
            given_one = mobile_address(state.spec) if kind == "wwan" else make_site(state.spec).wan_ip
            from_outside = dialled or (kind == "wwan" and "dhcp" in given)
            found[name] = Link(name, up, (f"{given_one}/32",) if from_outside else own)
    return found


def defaults(tree: Tree, state: DeviceState) -> list[Default]:
    """The default routes that the kernel has: FRR gives it none but those of the shortest distance."""
    there = links(tree, state)
    static = "protocols static route 0.0.0.0/0"
    found = [
        Default(name, "", _distance(tree, f"{static} interface {name} distance", 1))
        for name in values(tree, f"{static} interface")
    ]
    for gateway in values(tree, f"{static} next-hop"):
        head = gateway.rpartition(".")[0]
        near = (n for n, link in there.items() for one in link.addresses if one.startswith(f"{head}."))
        far = _distance(tree, f"{static} next-hop {gateway} distance", 1)
        found.append(Default(next(near, "eth0"), gateway, far))
    for name in there:
        found += _given(tree, state, name)
    return nearest(only_up(there, found))


def _given(tree: Tree, state: DeviceState, name: str) -> list[Default]:
    """What the other side gives over an interface: PPPoE, or DHCP of the line or of the modem."""
    if exists(tree, ["interfaces", "pppoe", name]):
        options, gateway = f"interfaces pppoe {name}", ""
    else:
        kind = "wwan" if exists(tree, ["interfaces", "wwan", name]) else "ethernet"
        if "dhcp" not in values(tree, f"interfaces {kind} {name} address"):
            return []
        options = f"interfaces {kind} {name} dhcp-options"
        gateway = "" if kind == "wwan" else make_site(state.spec).wan_gateway
    if exists(tree, [*options.split(), "no-default-route"]):
        return []
    return [Default(name, gateway, _distance(tree, f"{options} default-route-distance", _GIVEN))]


def _distance(tree: Tree, path: str, default: int) -> int:
    return int(value(tree, path) or default)


def online(tree: Tree, state: DeviceState) -> bool:
    """Whether packets to the internet get there: over the modem, or over a line that carries."""
    found = defaults(tree, state)
    return bool(found) and (found[0].interface.startswith("wwan") or state.line_carries)


def ip(state: DeviceState, call: Call) -> Reply:
    tree = vyos_box.running(state)
    return ip_tool(links(tree, state), defaults(tree, state), call)


def pinged(state: DeviceState, call: Call) -> Reply:
    tree = vyos_box.running(state)
    return ping(list(links(tree, state).values()), call, online=online(tree, state))
