"""What a lab hands to the manager that is tried on it: inventory, credentials, lines, platforms. The formats are the
manager's own, written down here a second time since simulators know nothing of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

from simulators.lab.plan import EDGE_LOOPBACK, INTERNET_NET, CpePlan, LabPlan, first

NODE: Final = "lab-access-1"
"""The access node that all lines end at."""
PLATFORM: Final = "lab-edge"
_COLUMNS: Final = (
    *("name", "address", "port", "family", "credential", "site", "line", "line_kind", "access_node"),
    *("settings.options.vtysh", "settings.snmp_port"),
)


def inventory(plan: LabPlan) -> str:
    """CSV for ``cpe-manager devices import``."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for cpe in plan.all_cpes():
        place = (f"lab-{cpe.number}", f"line-{cpe.number}", "fibre", NODE)
        rows.writerow((cpe.name, cpe.management, 22, "frr_linux", "lab", *place, "linux", 161))
    return text.getvalue()


def credentials(key_file: str) -> str:
    """TOML for the credentials file; ``key_file`` as that file may name it."""
    names = ("lab", PLATFORM)
    return "".join(f'[credentials.{name}]\nusername = "root"\nprivate_key_file = "{key_file}"\n\n' for name in names)


def lines(plan: LabPlan) -> str:
    """What is known of each line beforehand, as JSON for ``cpe-manager lines import``: objects with their ``device``.
    The coverage check (§3.8) is no part of it: ``cpe-manager failover coverage`` writes that down."""
    setups = [line_setup(cpe) for cpe in plan.all_cpes()]
    return json.dumps([{k: v for k, v in setup.items() if k != "coverage"} for setup in setups], indent=2) + "\n"


def line_setup(cpe: CpePlan) -> dict[str, Any]:
    return {
        "device": cpe.name,
        "formula": "pro-plus-fullfiber",
        "ordered": True,
        "coverage": "passed",
        "moves": "manager" if cpe.routing == "static" else "cpe",
        "line_address": str(cpe.line_address),
        "mobile_address": str(cpe.mobile_address),
        "platform": PLATFORM,
        "fixed_ipv4": str(cpe.fixed),
        "fixed_ipv6": str(cpe.fixed6),
        "fixed_gateway": f"{cpe.line_address}, {cpe.line6[2]}",
        "mobile_gateway": f"{cpe.mobile_address}, {cpe.mobile6[2]}",
        "fixed_port": "eth0",
        "mobile_port": "wwan0",
    }


def platforms(host_key: str) -> str:
    """TOML for ``platforms.toml``: the edge, with its host key (algorithm and base64)."""
    return (
        f'[platforms.{PLATFORM}]\nkind = "frr"\naddress = "{EDGE_LOOPBACK}"\ncredential = "{PLATFORM}"\n'
        f'host_key = "{host_key}"\nsource = "{first(INTERNET_NET)}"\n'
    )


FILES: Final = ("inventory.csv", "credentials.toml", "lines.json", "platforms.toml")


def write(folder: Path, plan: LabPlan, host_key: str) -> None:
    """All of them, into the lab's folder."""
    texts = (inventory(plan), credentials("key"), lines(plan), platforms(host_key))
    for name, text in zip(FILES, texts, strict=True):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text)
