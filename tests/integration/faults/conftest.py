"""A line for each driver case at the end: how many faults were injected, and what they came to."""

from __future__ import annotations

import json
from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ends: dict[str, Counter[str]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "faults":
                noted = json.loads(str(value))
                ends.setdefault(noted["case"], Counter()).update(noted["ends"])
    if not ends:
        return
    terminalreporter.section(f"{sum(one.total() for one in ends.values())} faults injected, none believed")
    for case, counts in sorted(ends.items()):
        figures = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        terminalreporter.line(f"{case}: {counts.total()} ({figures})")
