"""What a lab hands to the manager that is tried on it: inventory, credentials, lines, platforms. The formats are the
manager's own, written down here a second time since simulators know nothing of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from simulators.lab.places import Places
from simulators.lab.plan import EDGE_LOOPBACK, CpePlan, LabPlan

NODE = "lab-access-1"
"""The access node that all lines end at."""
PLATFORM = "lab-edge"


def inventory(plan: LabPlan) -> str:
    """CSV for ``cpe-manager devices import``."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ("name", "address", "port", "family", "credential", "site", "line", "line_kind", "access_node")
        + ("settings.options.vtysh", "settings.snmp_port")
    )
    for cpe in plan.all_cpes():
        site = f"lab-{cpe.number}"
        rows.writerow(
            (cpe.name, cpe.management, 22, "frr_linux", "lab", site, f"line-{cpe.number}", "fibre", NODE, "linux", 161)
        )
    return text.getvalue()


def credentials(key_file: Path) -> str:
    """TOML for ``credentials.toml``: root's key."""
    lines = key_file.read_text().strip()
    return f'[lab]\nusername = "root"\nprivate_key = """\n{lines}\n"""\n'


def lines(plan: LabPlan) -> str:
    """What is known of each line beforehand (``LineSetup``), as JSON: a list of objects with ``device`` beside it."""
    return json.dumps([line_setup(cpe) for cpe in plan.all_cpes()], indent=2) + "\n"


def line_setup(cpe: CpePlan) -> dict[str, Any]:
    return {
        "device": cpe.name,
        "formula": "pro-plus-fullfiber",
        "ordered": True,
        "coverage": "passed",
        "coverage_reason": "",
        "moves": "manager" if cpe.routing == "static" else "cpe",
        "line_address": str(cpe.line_address),
        "mobile_address": str(cpe.mobile_address),
        "platform": PLATFORM,
        "fixed_ipv4": str(cpe.fixed),
        "fixed_ipv6": str(cpe.fixed6),
        "fixed_gateway": str(cpe.line_address),
        "mobile_gateway": str(cpe.mobile_address),
        "fixed_port": "eth0",
        "mobile_port": "wwan0",
    }


def platforms(key_file: Path, host_key: str) -> str:
    """The edge, for ``platforms.toml``: FRR over SSH."""
    return (
        f'[{PLATFORM}]\nkind = "frr"\nhost = "{EDGE_LOOPBACK}"\nport = 22\nusername = "root"\n'
        f'private_key_file = "{key_file}"\nhost_key = "{host_key}"\n'
    )


def host_key(places: Places, node: str, run_in: Any) -> str:
    """A node's SSH host key: algorithm and base64."""
    return " ".join(run_in(*places.within(node), "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
