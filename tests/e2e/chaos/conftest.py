"""The table of what was tried and what came of it, at the end of a run."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for state in ("passed", "failed"):
        for report in terminalreporter.getreports(state):
            for name, value in report.user_properties:
                if name == "chaos":
                    head, *lines = str(value).splitlines()
                    terminalreporter.section(head)
                    for line in lines:
                        terminalreporter.line(line)
