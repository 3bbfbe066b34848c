"""The links and default routes of a VyOS box, made from its running configuration."""

from __future__ import annotations

from simulators.dialects import vyos_box
from simulators.dialects.shell import Call
from simulators.dialects.uplink import Default, Link, ip_tool, only_up, ping
from simulators.dialects.vyos_config import Tree, exists, value, values
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState


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
            up = not off and (state.line_up or not outside)
            if kind == "pppoe" and not up:
                continue  # what is not dialled is not there
            own = tuple(one for one in given if "/" in one and ":" not in one)
            found[name] = Link(name, up, (f"{make_site(state.spec).wan_ip}/32",) if dialled else own)
    return found


def defaults(tree: Tree, state: DeviceState) -> list[Default]:
    there = links(tree, state)
    static = "protocols static route 0.0.0.0/0"
    found = [Default(name) for name in values(tree, f"{static} interface")]
    for gateway in values(tree, f"{static} next-hop"):
        head = gateway.rpartition(".")[0]
        near = (n for n, link in there.items() for one in link.addresses if one.startswith(f"{head}."))
        found.append(Default(next(near, "eth0"), gateway))
    for name in there:
        path = f"interfaces pppoe {name}".split()
        if exists(tree, path) and not exists(tree, [*path, "no-default-route"]):
            found.append(Default(name))
        if "dhcp" in values(tree, f"interfaces ethernet {name} address"):
            found.append(Default(name, make_site(state.spec).wan_gateway))
    return only_up(there, found)


def ip(state: DeviceState, call: Call) -> Reply:
    tree = vyos_box.running(state)
    return ip_tool(links(tree, state), defaults(tree, state), call)


def pinged(state: DeviceState, call: Call) -> Reply:
    tree = vyos_box.running(state)
    return ping(list(links(tree, state).values()), call, online=bool(defaults(tree, state)))
