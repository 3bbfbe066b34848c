"""The way to OpenWrt and what descends from it, to RouterOS, and to VyOS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network

from simulators.dialects.routeros_tree import Item, Tree
from simulators.dialects.uci import Package, Section, parse_packages
from simulators.reach.view import Surroundings, View, holds, interface, network, spans
from simulators.state import DeviceState

_ANY = IPv4Network("0.0.0.0/0")
_MODEMS = ("qmi", "mbim", "modemmanager", "ncm", "3g", "wwan")
Items = Callable[[str], list[Item]]
Words = dict[str, "Words"]


def uci(state: DeviceState, at: Surroundings) -> View:
    packages, view = parse_packages(state.running), View()
    logical: dict[str, str] = {}
    for section in _sections(packages, "network"):
        if section.kind == "interface" and _text(section, "proto") == "static" and _up(section):
            address = interface(f"{_text(section, 'ipaddr')}/{_text(section, 'netmask') or '32'}")
            if _text(section, "device") != "lo":
                view.addresses += [(section.name, address)] if address else []
            if gateway := _text(section, "gateway"):
                view.routes.append((_ANY, gateway))
                view.distances[_ANY, gateway] = int(_text(section, "metric") or 0)
        elif section.kind == "interface" and _text(section, "proto") in _MODEMS and _up(section) and state.mobile_up:
            view.mobile.add(section.name)
            view.routes.append((_ANY, section.name))
            view.distances[_ANY, section.name] = int(_text(section, "metric") or 0)
        elif section.kind == "route":
            net = network(f"{_text(section, 'target')}/{_text(section, 'netmask')}".rstrip("/"))
            view.routes += [(net, _text(section, "gateway"))] if net else []
    for zone in _sections(packages, "firewall"):
        if zone.kind == "zone":
            logical |= dict.fromkeys(_words(zone, "network"), _text(zone, "name"))
    servers = [section for section in _sections(packages, "dropbear") if section.kind == "dropbear"]
    view.listens = any(_text(s, "enable") != "0" and _text(s, "Port") in ("", str(at.port)) for s in servers)
    view.admits = _accepted(_sections(packages, "firewall"), logical.get(view.interface(at), ""), at)
    return view


def _accepted(sections: Sequence[Section], zone: str, at: Surroundings) -> bool:
    """The first rule for traffic to the box itself that fits, else what the zone does with it."""
    for rule in sections:
        if rule.kind != "rule" or _text(rule, "enabled") == "0" or _text(rule, "dest"):
            continue
        protocols = _words(rule, "proto") or ["tcp", "udp"]
        if _text(rule, "src") not in (zone, "*") or not {"tcp", "all", "any", "tcpudp"} & set(protocols):
            continue
        ports, sources = _words(rule, "dest_port"), _words(rule, "src_ip")
        destinations = _words(rule, "dest_ip")
        if (
            (not ports or any(spans(word, at.port) for word in ports))
            and (not sources or holds(sources, at.manager))
            and (not destinations or holds(destinations, at.address))
        ):
            return _text(rule, "target") == "ACCEPT"
    own = next((s for s in sections if s.kind == "zone" and _text(s, "name") == zone), None)
    defaults = next((s for s in sections if s.kind == "defaults"), None)
    policy = (own and _text(own, "input")) or (defaults and _text(defaults, "input")) or "ACCEPT"
    return policy == "ACCEPT"


def _sections(packages: Mapping[str, Package], name: str) -> list[Section]:
    return packages[name].sections if name in packages else []


def _text(section: Section, option: str) -> str:
    value = section.options.get(option, "")
    return value if isinstance(value, str) else " ".join(value)


def _words(section: Section, option: str) -> list[str]:
    return _text(section, option).split()


def _up(section: Section) -> bool:
    return _text(section, "disabled") != "1" and _text(section, "auto") != "0"


def routeros(state: DeviceState, at: Surroundings) -> View:
    tree, view = Tree.read(state.running), View()

    def items(path: str) -> list[Item]:
        return [item for item in tree.menus[path] if tree.value(path, item, "disabled") != "yes"]

    off = {
        item.values["name"]
        for path in ("interface ethernet", "interface bridge")
        for item in tree.menus[path]
        if tree.value(path, item, "disabled") == "yes"
    }
    for item in items("ip address"):
        own = interface(item.values["address"])
        view.addresses += [(item.values["interface"], own)] if own and item.values["interface"] not in off else []
    for item in items("ip route"):
        net, hop = (
            network(tree.value("ip route", item, "dst-address")),
            item.values.get("gateway", "").partition("%")[0],
        )
        if net is not None:
            view.routes.append((net, hop))
            view.distances[net, hop] = int(tree.value("ip route", item, "distance"))
    for item in items("interface lte"):
        name, profile = item.values["name"], tree.value("interface lte", item, "apn-profiles").partition(",")[0]
        view.mobile |= {name} if state.mobile_up else set()
        for apn in items("interface lte apn"):
            if apn.values["name"] == profile and tree.value("interface lte apn", apn, "add-default-route") != "no":
                far = int(tree.value("interface lte apn", apn, "default-route-distance"))
                view.routes.append((_ANY, name))
                view.distances[_ANY, name] = min(far, view.distances.get((_ANY, name), 255))
    server = next(item for item in tree.menus["ip service"] if item.values["name"] == "ssh")
    allowed = tree.value("ip service", server, "address")
    view.listens = (
        tree.value("ip service", server, "disabled") != "yes"
        and tree.value("ip service", server, "port") == str(at.port)
        and (not allowed or holds(allowed.split(","), at.manager))
    )
    view.admits = _filtered(items, "input", view.interface(at), at) != "drop"
    return view


def _filtered(items: Items, chain: str, into: str, at: Surroundings) -> str:
    """`accept`, `drop`, or nothing where a chain comes to its end."""
    lists = {(item.values["list"], item.values["interface"]) for item in items("interface list member")}
    for rule in items("ip firewall filter"):
        values = rule.values
        if values["chain"] != chain or not _meets(items, values, lists, into, at):
            continue
        action = values.get("action", "accept")
        if action == "jump":
            action = _filtered(items, values.get("jump-target", ""), into, at)
        if action == "return":
            return ""
        if action in ("accept", "drop", "reject", "tarpit"):
            return "accept" if action == "accept" else "drop"
    return ""


def _meets(items: Items, rule: Mapping[str, str], lists: set[tuple[str, str]], into: str, at: Surroundings) -> bool:
    """Whether a new TCP connection of the manager's meets a rule."""
    book = [(item.values["list"], item.values["address"]) for item in items("ip firewall address-list")]
    answers: dict[str, Callable[[str], bool]] = {
        "protocol": lambda v: v == "tcp",
        "connection-state": lambda v: "new" in v.split(","),
        "connection-nat-state": lambda v: "dstnat" not in v.split(","),
        "dst-port": lambda v: spans(v, at.port),
        "src-address": lambda v: holds([v], at.manager),
        "dst-address": lambda v: holds([v], at.address),
        "src-address-list": lambda v: holds([address for name, address in book if name == v], at.manager),
        "in-interface": lambda v: v == into,
        "in-interface-list": lambda v: v == "all" or (v, into) in lists,
        "ipsec-policy": lambda _v: False,
    }
    for name, value in rule.items():
        if name in answers and answers[name](value.removeprefix("!")) == value.startswith("!"):
            return False
    return True


def vyos(text: str, at: Surroundings) -> View:
    """From the `set` lines that the box shows."""
    view = View()
    tree: Words = {}
    for line in text.splitlines():
        node = tree
        for word in line.split()[1:]:
            node = node.setdefault(word.strip("'"), {})
    for kind, names in tree.get("interfaces", {}).items():
        for name, inside in names.items():
            for word in inside.get("address", {}) if "disable" not in inside else ():
                address = interface(word)
                view.addresses += [(name, address)] if address and kind != "loopback" else []
    for target, inside in tree.get("protocols", {}).get("static", {}).get("route", {}).items():
        if (net := network(target)) is not None:
            for hop, more in (*inside.get("next-hop", {}).items(), *inside.get("interface", {}).items()):
                if "disable" not in more:
                    view.routes.append((net, hop))
                    view.distances[net, hop] = int(_one(more, "distance") or 1)
    for name, inside in tree.get("interfaces", {}).get("wwan", {}).items():
        options = inside.get("dhcp-options", {})
        view.mobile |= {name} if "disable" not in inside else set()
        if "dhcp" in inside.get("address", {}) and "no-default-route" not in options:
            far = min(int(_one(options, "default-route-distance") or 210), view.distances.get((_ANY, name), 255))
            view.routes.append((_ANY, name))
            view.distances[_ANY, name] = far
    server = tree.get("service", {}).get("ssh")
    view.listens = server is not None and str(at.port) in (server.get("port") or {"22": {}})
    firewall = tree.get("firewall", {})
    hook = firewall.get("ipv4", {}).get("input", {}).get("filter", {})
    view.admits = _walked(firewall, hook, view.interface(at), at) not in ("drop", "reject")
    return view


def _walked(firewall: Words, chain: Words, into: str, at: Surroundings) -> str:
    for _, rule in sorted(chain.get("rule", {}).items(), key=lambda pair: int(pair[0])):
        if "disable" in rule or not _matched(firewall, rule, into, at):
            continue
        action = _one(rule, "action")
        if action == "jump":
            chains = firewall.get("ipv4", {}).get("name", {})
            action = _walked(firewall, chains.get(_one(rule, "jump-target"), {}), into, at)
        if action == "return":
            return ""
        if action in ("accept", "drop", "reject"):
            return action
    return _one(chain, "default-action")


def _matched(firewall: Words, rule: Words, into: str, at: Surroundings) -> bool:
    source, target = rule.get("source", {}), rule.get("destination", {})
    if "state" in rule and "new" not in rule["state"]:
        return False
    if "connection-status" in rule or _one(rule, "protocol") not in ("", "tcp", "all", "tcp_udp"):
        return False
    if "inbound-interface" in rule and _one(rule["inbound-interface"], "name") != into:
        return False
    group = _one(source.get("group", {}), "network-group")
    groups = firewall.get("group", {}).get("network-group", {})
    networks = list(groups.get(group, {}).get("network", {})) if group else []
    networks += list(source.get("address", {}))
    if (group or "address" in source) and not holds(networks, at.manager):
        return False
    if "address" in target and not holds(list(target["address"]), at.address):
        return False
    return "port" not in target or spans(_one(target, "port"), at.port)


def _one(node: Words, name: str) -> str:
    return next(iter(node.get(name, {})), "")
