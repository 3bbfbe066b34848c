"""What a configuration costs once it is here: understanding it, judging it, making the view of it; for every family.

``python -m benchmarks.parsing [--family NAME ...] [--rounds N] [--json FILE]``. The texts are the virtual CPEs' own,
scaled up to 500, 2,000, 5,000 and 20,000 lines. Four steps: ``parse`` into the neutral model (``render`` and change
plans need it), ``judge`` (log-in passwords out, volatile lines out, keyed hash: all that an unchanged night costs),
``view`` (the redacted text of what changed), and for scale two peers in the same run: NAPALM's own sanitising of a
Cisco configuration, a substitution for each of its patterns, and where netutils knows the family its tree of the
configuration. CPU time of this process; rounds take turns, the best of each counts, ratios are formed within a round.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napalm.base.constants import CISCO_SANITIZE_FILTERS
from napalm.base.helpers import sanitize_config
from netutils.config.parser import IOSConfigParser
from rich.console import Console
from rich.table import Table

from backups import keyring
from backups.keyring import Keyring
from backups.vault import Vault
from drivers.roster import DriverRoster
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec
from simulators.state import new_state

SIZES = (500, 2_000, 5_000, 20_000)
MOST_MS_AT_500 = 3.0
MOST_TIMES_A_LINE = 1.6
"""A line at 20,000 lines may cost so much more than one at 500: caches are small, and nothing else may show."""
TREES: dict[str, Callable[[str], Any]] = {"cisco_ios": IOSConfigParser, "frr_linux": IOSConfigParser}
STEPS = ("parse", "judge", "view")


class OneRing:
    """Keys that live as long as the measurement."""

    def __init__(self, ring: Keyring) -> None:
        self._ring = ring

    def ring(self) -> Keyring:
        return self._ring


def scaled(family: str, lines: int) -> tuple[DeviceSpec, str]:
    """A configuration of about so many lines, from the persona's own generator."""
    persona, size = all_personas()[family], 0
    for _ in range(4):
        spec = DeviceSpec("BENCH-1", family, seed=3, config_bytes=size)
        text = persona.running_text(new_state(spec, persona.factory_config(spec)))
        size = max(1, round((size or len(text)) * lines / text.count("\n")))
    return spec, text


def cpu_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def measure(vault: Vault, family: str, lines: int, rounds: int) -> dict[str, Any]:
    driver = DriverRoster().get(family)
    device, text = scaled(family, lines)
    secrets = (device.secrets.login, device.secrets.enable)
    parse = getattr(driver, "parse", None)
    examined = vault.examine(text, driver.spec, secrets)
    work: dict[str, Callable[[], object]] = {
        "judge": lambda: vault.examine(text, driver.spec, secrets),
        "view": lambda: vault.draft(examined, driver.spec, position_id="p", object_id="o"),
        "napalm": lambda: sanitize_config(text, CISCO_SANITIZE_FILTERS),
        "sha256": lambda: hashlib.sha256(text.encode()).hexdigest(),
    }
    if parse is not None:
        work["parse"] = lambda: parse(text)
    if family in TREES:
        work["netutils"] = lambda: TREES[family](text)
    taken: dict[str, list[float]] = {name: [] for name in work}
    for one in work.values():
        one()
    for _ in range(rounds):
        for name, one in work.items():
            taken[name].append(cpu_ms(one))
    ours = [sum(taken[step][number] for step in STEPS if step in taken) for number in range(rounds)]
    best = {name: min(found) for name, found in taken.items()}
    return {
        "family": family, "lines": text.count("\n"), "bytes": len(text), **best,
        "ours": sum(best.get(step, 0.0) for step in STEPS),
        "times_napalm": statistics.median(our / peer for our, peer in zip(ours, taken["napalm"], strict=True)),
        "times_netutils": statistics.median(our / peer for our, peer in zip(ours, taken["netutils"], strict=True))
        if "netutils" in taken
        else None,
    }  # fmt: skip


def show(found: list[dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU ms for one configuration (best of the rounds)")
    names = ("family", "lines", "KB", *STEPS, "ours", "us/line", "x at 500", "x NAPALM", "x netutils", "sha256")
    for name in names:
        table.add_column(name, justify="left" if name == "family" else "right")
    first: dict[str, float] = {}
    for one in found:
        a_line = 1000 * one["ours"] / one["lines"]
        base = first.setdefault(one["family"], a_line)
        table.add_row(
            one["family"], f"{one['lines']}", f"{one['bytes'] / 1024:.0f}",
            *(f"{one[step]:.2f}" if step in one else "-" for step in STEPS),
            f"{one['ours']:.2f}", f"{a_line:.1f}", f"{a_line / base:.2f}", f"{one['times_napalm']:.2f}",
            f"{one['times_netutils']:.2f}" if one["times_netutils"] else "-", f"{one['sha256']:.2f}",
        )  # fmt: skip
    console.print(table)


def judge(found: list[dict[str, Any]], console: Console) -> None:
    """Says whether the targets were met; never an exit code, since machines are noisy."""
    for family in dict.fromkeys(one["family"] for one in found):
        mine = [one for one in found if one["family"] == family]
        at_500, last = mine[0], mine[-1]
        growth = (last["ours"] / last["lines"]) / (at_500["ours"] / at_500["lines"])
        for words, figure, met in (
            (f"at most {MOST_MS_AT_500} ms at 500 lines", at_500["ours"], at_500["ours"] <= MOST_MS_AT_500),
            (f"at most {MOST_TIMES_A_LINE} x a line at {last['lines']}", growth, growth <= MOST_TIMES_A_LINE),
        ):
            console.print(f"{'met    ' if met else 'NOT MET'}  {family}: {figure:.2f} ({words})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    families = sorted(set(DriverRoster().families()) & set(all_personas()))
    parser.add_argument("--family", choices=families, action="append", help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args()
    vault, console = Vault(OneRing(keyring.generate("bench", datetime.now(UTC)))), Console()
    found: list[dict[str, Any]] = []
    for family in chosen.family or families:
        found += [measure(vault, family, lines, max(5, chosen.rounds * SIZES[0] // lines)) for lines in SIZES]
    show(found, console)
    judge(found, console)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
