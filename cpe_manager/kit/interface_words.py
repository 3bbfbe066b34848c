"""Names of interfaces as words of a text: finding them, and calling them otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cpe_manager.domain.model.cpe_config import Role
from cpe_manager.domain.replacement.interface_names import Interfaces


def interfaces(names: Iterable[str], roles: Mapping[Role, Iterable[str]]) -> Interfaces:
    """Each name once, in order. What plays a role has to be among ``names``; roles that nothing plays are left out."""
    known = tuple(dict.fromkeys(name for name in names if name))
    played = {role: tuple(name for name in dict.fromkeys(each) if name in known) for role, each in roles.items()}
    return Interfaces(known, {role: each for role, each in played.items() if each})


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Every name that stands as a word, and compounds of it (``eth0.10``, ``nic-eth0``), all at once: two names may
    change places. ``@wan`` is a section of UCI and no name."""
    if not names:
        return text
    longest = sorted(names, key=len, reverse=True)
    word = re.compile(rf"(?<![\w/@])(?:{'|'.join(map(re.escape, longest))})(?![\w/])")
    return word.sub(lambda found: names[found.group()], text)
