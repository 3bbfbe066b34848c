"""The way to a Cisco IOS box and to a Linux router with FRR, from configurations made of lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

from simulators.dialects.linux_box import files_of, loaded
from simulators.dialects.linux_uplink import mobile_links
from simulators.dialects.tree import Node, parse
from simulators.generate.frr_linux import is_linux
from simulators.reach.view import Surroundings, View, holds, interface, network, spans
from simulators.state import DeviceState

_NAMES = {"ssh": "22", "telnet": "23", "www": "80", "domain": "53"}


def ios(state: DeviceState, at: Surroundings) -> View:
    """Access lists look at packets, not at connections; a list that is not there lets everything through."""
    root, view = parse(state.running), View(stateless=True)
    lists = {node.words[-1]: node for node in root.children if node.text.startswith("ip access-list ")}
    for node in root.children:
        if found := re.match(r"ip route (\S+ \S+) (\S+)(?: \d+\.\S+)?(?: (\d+))?", node.text):
            net = network(found[1])
            if net is not None:
                view.routes.append((net, found[2]))
                view.distances[net, found[2]] = int(found[3] or 1)
        elif node.text.startswith("interface ") and not _has(node, "shutdown"):
            name = node.text.split()[1]
            view.mobile |= {name} if name.startswith("Cellular") and state.mobile_up else set()
            for line in node.children:
                own = re.fullmatch(r"ip address (\d\S+ \S+)(?: secondary)?", line.text)
                address = interface(own[1]) if own else None
                view.addresses += [(name, address)] if address else []
                guard = re.fullmatch(r"ip access-group (\S+) in", line.text)
                if guard and address is None and guard[1] in lists and view.interface(at) == name:
                    view.admits = view.admits and _passes(lists[guard[1]], at)
    vtys = [node for node in root.children if node.text.startswith("line vty ")]
    inputs = [line.words[2:] for node in vtys for line in node.children if line.text.startswith("transport input ")]
    view.listens = not inputs or any({"ssh", "all"} & set(words) for words in inputs)
    for node in vtys:
        for line in node.children:
            if line.text.startswith("access-class ") and (guard_list := lists.get(line.words[1])) is not None:
                view.listens = view.listens and _permitted(guard_list, at.manager)
    return view


def _has(node: Node, text: str) -> bool:
    return any(line.text == text for line in node.children)


def _permitted(standard: Node, address: IPv4Address) -> bool:
    for entry in standard.children:
        words = entry.words
        if words[0] in ("permit", "deny") and _place(words[1:], address)[0]:
            return words[0] == "permit"
    return not standard.children


def _passes(extended: Node, at: Surroundings) -> bool:
    """The first entry that fits TCP from the manager to the box; what began inside does not."""
    for entry in extended.children:
        words = [word for word in entry.words if word != "log"]
        if words[0] not in ("permit", "deny") or words[1] not in ("ip", "tcp") or words[-1] == "established":
            continue
        fits, rest = _place(words[2:], at.manager)
        source_port, rest = _port(rest, 40_000)
        toward, rest = _place(rest, at.address)
        port, _ = _port(rest, at.port)
        if fits and source_port and toward and port:
            return words[0] == "permit"
    return not extended.children


def _place(words: list[str], address: IPv4Address) -> tuple[bool, list[str]]:
    """Whether `any`, `host A` or `A W` holds an address, and the words behind it."""
    if words[0] == "any":
        return True, words[1:]
    if words[0] == "host":
        return words[1] == str(address), words[2:]
    if len(words) == 1 or not re.fullmatch(r"[\d.]+", words[1]):
        return words[0] == str(address), words[1:]
    wild = int(IPv4Address(words[1]))
    return (int(address) | wild) == (int(IPv4Address(words[0])) | wild), words[2:]


def _port(words: list[str], port: int) -> tuple[bool, list[str]]:
    numbers = [_NAMES.get(word, word) for word in words[1:3]]
    if words[:1] == ["eq"]:
        return numbers[0] == str(port), words[2:]
    if words[:1] == ["range"]:
        return spans(f"{numbers[0]}-{numbers[1]}", port), words[3:]
    if words[:1] in (["gt"], ["lt"]) and numbers[0].isdecimal():
        return (port > int(numbers[0])) == (words[0] == "gt"), words[2:]
    return True, words


def frr(state: DeviceState, at: Surroundings) -> View:
    """FRR has addresses and routes; the kernel's filter is what nftables was last told."""
    view = View()
    if is_linux(state.spec) and state.mobile_up:
        view.mobile |= mobile_links(files_of(state))
    for node in parse(state.running).children:
        if found := re.match(r"ip route (\S+/\d+) (\S+)(?: ([a-z]\S*))?(?: (\d+))?$", node.text):
            net, hop = network(found[1]), found[3] if found[3] in view.mobile else found[2]
            if net is not None:
                view.routes.append((net, hop))
                view.distances[net, hop] = int(found[4] or 1)
        elif node.text.startswith("interface ") and not _has(node, "shutdown"):
            for line in node.children:
                address = interface(line.words[2]) if line.text.startswith("ip address ") else None
                view.addresses += [(node.text.split()[1], address)] if address else []
    view.listens = "/etc/ssh/sshd_not_to_be_run" not in files_of(state)
    chains = {
        found[1]: [line.strip() for line in found[2].splitlines() if line.strip()]
        for text in loaded(state, "nftables").values()
        for found in re.finditer(r"^\tchain (\w+) \{\n(.*?)^\t\}", text, re.MULTILINE | re.DOTALL)
    }
    view.admits = _verdict(chains, "input", at, view.interface(at)) != "drop"
    return view


def _verdict(chains: dict[str, list[str]], name: str, at: Surroundings, into: str) -> str:
    """`accept`, `drop`, or nothing where a chain comes to its end."""
    for rule in chains.get(name, ()):
        jump = re.fullmatch(r"(.*?)\s*(accept|drop|reject|return|jump (\w+))", rule)
        if jump is None or not _fits(jump[1], at, into):
            continue
        if jump[2] == "return":
            return ""
        verdict = _verdict(chains, jump[3], at, into) if jump[3] else jump[2]
        if verdict:
            return "accept" if verdict == "accept" else "drop"
    return ""


def _fits(conditions: str, at: Surroundings, into: str) -> bool:
    """Whether a new TCP connection of the manager's meets all conditions of a rule; an unknown one is not met."""
    rest = conditions
    known: tuple[tuple[str, Callable[[re.Match[str]], bool]], ...] = (
        (r"iifname (!= )?\{? ?([^}]*?)(?: \}|(?= |\Z))", lambda f: (f'"{into}"' in f[2]) != bool(f[1])),
        (r"ct state ([\w,]+)", lambda f: "new" in f[1].split(",")),
        (r"ip saddr (!= )?\{? ?([\d./, ]+?)(?: \}|(?= |\Z))", lambda f: _among(f[2], at.manager) != bool(f[1])),
        (r"ip daddr \{? ?([\d./, ]+?)(?: \}|(?= |\Z))", lambda f: _among(f[1], at.address)),
        (r"(?:meta l4proto|ip protocol) (\S+)", lambda f: f[1] == "tcp"),
        (r"tcp dport \{? ?([\d,\- ]+?)(?: \}|(?= |\Z))", lambda f: spans(f[1].replace(" ", ""), at.port)),
        (r"counter", lambda _f: True),
    )
    for pattern, holds_for in known:
        found = re.search(pattern, rest)
        if found is not None:
            if not holds_for(found):
                return False
            rest = rest[: found.start()] + rest[found.end() :]
    return not rest.strip()


def _among(words: str, address: IPv4Address) -> bool:
    return holds([word.strip() for word in words.split(",")], address)
