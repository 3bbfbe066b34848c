"""Which ports of the hardware a UCI configuration speaks of. Names of sections (``wan``) are none, devices are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.kit import interface_words
from cpe_manager.kit.uci.language import Uci
from cpe_manager.kit.uci.session import placed

_DEVICE_LINE: Final = re.compile(
    r"^(?P<head>[ \t]+(?:option (?:device|ifname)|list ports)[ \t]+')(?P<value>[^'\n]*)'", re.MULTILINE
)
_PACKAGE: Final = re.compile(r"^package (\S+)\n(?:(?!package ).*\n)*", re.MULTILINE)

_HARDWARE: Final = ("macaddr", "path")


def interfaces(box: Uci) -> Interfaces:
    """Ports by what networks and bridges are made of. A modem that is a file of the system keeps its name."""
    bridges = {section.text("name"): section.words("ports") for section in box.all("network", "device")}

    def of(name: str) -> list[str]:
        found = box.named("network", name, "interface")
        words = found.words("device") or found.words("ifname") if found else []
        return [port for word in words for port in bridges.get(word, [word]) if _is_port(port)]

    wan, lan = of("wan"), of("lan")
    names = [*wan, *lan, *_others(box, bridges)]
    return interface_words.interfaces(names, {Role.WAN: wan, Role.LAN: lan})


def _others(box: Uci, bridges: Mapping[str, list[str]]) -> Iterator[str]:
    for section in box.all("network", "interface"):
        for word in section.words("device") or section.words("ifname"):
            yield from (port for port in bridges.get(word, [word]) if _is_port(port))
    for ports in bridges.values():
        yield from filter(_is_port, ports)


def _is_port(word: str) -> bool:
    return not word.startswith(("@", "/", "br-", "wlan", "lo")) and "." not in word


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Only in the package ``network`` and only where a device stands: ``wan`` is a section's name, too."""

    def line(found: re.Match[str]) -> str:
        return f"{found['head']}{interface_words.renamed(found['value'], names)}'"

    def package(found: re.Match[str]) -> str:
        return _DEVICE_LINE.sub(line, found.group()) if found[1] == "network" else found.group()

    return _PACKAGE.sub(package, text)


def adopted(text: str, present: str, names: Mapping[str, str]) -> str:
    """MAC addresses and the buses of radios are the hardware's: where the box has one of its own, that stands."""
    own = {place: line for place, line in placed(present) if place[2] in _HARDWARE}
    lines = (own.get(place, line) if place[2] in _HARDWARE else line for place, line in placed(renamed(text, names)))
    return "\n".join(lines) + "\n"
