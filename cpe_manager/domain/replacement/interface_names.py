"""Interface names of an old box and a new one: which is which, by what they are for and by what people say.

The stored text of a box names the interfaces of its hardware. Another model of the family has others, and the text
comes back onto it only when each old name has become one that the new box has (§5.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import Role


@dataclass(frozen=True, slots=True)
class Interfaces:
    """What a text says of the box's hardware interfaces: all their names, and those of each role in their order."""

    names: tuple[str, ...] = ()
    roles: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NameMap:
    """Old names to new ones, without those that stay. ``unmapped``: old names that the new box does not have and
    nobody gave another; where they stand the text speaks of interfaces that are not there."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[str, ...] = ()


def map_names(old: Interfaces, new: Interfaces, given: Mapping[str, str]) -> NameMap:
    """What people gave comes first, then names that both have, then roles: the old box's first WAN port is the new
    one's, and so on. No new name is taken twice.

    Raises ``InputError`` for a given name that is on neither box or is given to two.
    """
    for name, target in given.items():
        if name not in old.names:
            raise InputError(f"the old box has no interface {name}; it has {', '.join(old.names)}")
        if target not in new.names:
            raise InputError(f"the new box has no interface {target}; it has {', '.join(new.names)}")
    if len(set(given.values())) < len(given):
        raise InputError("two interfaces of the old box were mapped to one of the new")
    found = dict(given)
    # A role outranks a name: `eth0` may be the LAN here and the WAN there.
    for role in Role:
        theirs = [name for name in new.roles.get(role, ()) if name not in found.values()]
        ours = [name for name in old.roles.get(role, ()) if name not in found]
        for name in [name for name in ours if name in theirs]:
            found[name] = name
            ours.remove(name)
            theirs.remove(name)
        found |= dict(zip(ours, theirs, strict=False))
    for name in old.names:
        if name not in found and name in new.names and name not in found.values():
            found[name] = name
    unmapped = tuple(name for name in old.names if name not in found)
    return NameMap({name: target for name, target in found.items() if name != target}, unmapped)
