"""Every entry of the change catalogue by name, and what is done with its parameters before anything is done with them.

A new entry is a class in a file of this package and its name in `CHANGE_TYPES`; its terms (title, section, components,
fee) are data, in ``config/change-catalogue.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cpe_manager.domain.changes.addresses import IpPackChange, Ipv6Change, WanAddressChange
from cpe_manager.domain.changes.dhcp import DhcpChange
from cpe_manager.domain.changes.entries import ChangeType
from cpe_manager.domain.changes.firewall import FirewallChange
from cpe_manager.domain.changes.lan import LanAddressChange
from cpe_manager.domain.changes.mobile import MobileBackupChange
from cpe_manager.domain.changes.ports import ClosePort, OpenPort
from cpe_manager.domain.changes.ppp import PppChange
from cpe_manager.domain.changes.reading import misfit, read_parameters, shown, to_plain
from cpe_manager.domain.changes.reboot import RebootChange
from cpe_manager.domain.changes.schema import Schema, schema_of
from cpe_manager.domain.changes.wifi import WifiByRight, WifiChange
from cpe_manager.domain.model.cpe_config_data import Data, shortened
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue

_ENTRIES: Final[tuple[ChangeType[Any], ...]] = (
    OpenPort(), ClosePort(), WanAddressChange(), LanAddressChange(), IpPackChange(), Ipv6Change(), FirewallChange(),
    WifiChange(), WifiByRight(), DhcpChange(), PppChange(), MobileBackupChange(), RebootChange(),
)  # fmt: skip
CHANGE_TYPES: Final[Mapping[str, ChangeType[Any]]] = MappingProxyType({one.name: one for one in _ENTRIES})


def change_type(name: str) -> ChangeType[Any]:
    """Raises ``InputError`` for one that there is not; it names the field ``type``."""
    if name not in CHANGE_TYPES:
        raise misfit("type", f"{shortened(name)} is none of {', '.join(CHANGE_TYPES)}")
    return CHANGE_TYPES[name]


def read(name: str, data: Data) -> Any:
    """The parameters of a change of type ``name`` from plain data, as its ``parameters`` dataclass.

    Raises ``InputError`` that names the field. What clashes with a device is no concern here.
    """
    return read_parameters(change_type(name).parameters, data)


def written(wanted: Any) -> dict[str, Data]:
    """Plain data that `read` makes the same parameters of, secrets and all: to be sealed."""
    return to_plain(wanted)


def masked_parameters(wanted: Any) -> dict[str, Data]:
    """The same with a mask in place of every secret: to be kept and shown."""
    return shown(wanted)


def schema(name: str, catalogue: ServiceCatalogue | None = None) -> Schema:
    """JSON schema (draft 2020-12) of the parameters of ``name``. With a catalogue the names of its presets are in it.

    Raises ``InputError`` as `change_type` does."""
    entry = change_type(name)
    presets = None if catalogue is None else tuple(catalogue.port_presets)
    made = schema_of(entry.parameters, presets)
    return {"$schema": made.pop("$schema"), "title": name, "description": words_of(name), **made}


def words_of(name: str) -> str:
    """What an entry is for, as its class says. Raises ``InputError`` as `change_type` does."""
    return " ".join((type(change_type(name)).__doc__ or "").split())
