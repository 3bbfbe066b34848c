"""A thousand change requests at once, with duplicates and a daemon that is killed: how long from approval to execution.

``python -m benchmarks.changes [--changes 1000] [--devices 250] [--kills 5] [--json FILE]``. The boxes are simulated
OpenWrt routers in a process of their own; four requests of one device wait for one another, and are asked again since
each changes what the next was approved for. Ends with 1 when anything was executed twice, not at all, or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e import changes_scene
from tests.e2e.world import world


def measured(home: Path, changes: int, devices: int, kills: int) -> dict[str, Any]:
    with world(home, CPE_MANAGER_LOG_LEVEL="warning") as w:
        changes_scene.prepare(w, devices)
        return changes_scene.told(asyncio.run(changes_scene.play(w, changes, kills)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=250)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="changes-") as home:
        figures = measured(Path(home), args.changes, args.devices, args.kills)
    table = Table(title="change requests at once")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, "; ".join(value[:5]) or "nothing" if isinstance(value, list) else str(value))
    Console().print(table)
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1))
    raise SystemExit(bool(figures["wrong"]))


if __name__ == "__main__":
    main()
