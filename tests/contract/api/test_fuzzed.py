"""Schemathesis over the whole API, for every role: no server error, and no answer that the description does not have.

``CPE_MANAGER_API_PHASES=examples,coverage,fuzzing,stateful`` tries every bound of every field as well, which takes a
quarter of an hour; ``CPE_MANAGER_API_EXAMPLES`` is how many requests are made up for each operation (3). They are the
same ones each time, so that what failed fails again; ``CPE_MANAGER_API_SEED`` begins another series.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.api.fuzz_world import NAMED, ROLES, answered, dictionaries, headers, kept, peopled
from tests.integration.api.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT: Final = Path(__file__).resolve().parents[3]
EXAMPLES: Final = int(os.environ.get("CPE_MANAGER_API_EXAMPLES", "3"))
PHASES: Final = os.environ.get("CPE_MANAGER_API_PHASES", "examples,fuzzing,stateful")
STATEFUL: Final = 10
"""Chains of requests, for each that is made up for an operation alone."""
SEED: Final = os.environ.get("CPE_MANAGER_API_SEED")
ASKING: Final = ("planPush", "lookAtDrift", "refreshDeviceFacts", "detectFamily", "checkCoverage")
"""They ask a box while the caller waits, and tell that it cannot be reached: 502 with the code of a device."""
REACHED: Final = 2 / 3
"""Of all operations succeed at least once; some take a box that answers, a session, or what only comes with time."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with peopled(tmp_path_factory.mktemp("fuzzed")) as made:
        yield made


def config(live: Live, role: str, examples: int) -> str:
    """As TOML; JSON's strings, numbers and lists are TOML's as well."""
    lines = [
        *([f"seed = {int(SEED)}"] if SEED else []),
        'hooks = "tests.contract.api.fuzz_hooks"',
        'suppress-health-check = ["all"]',
        "request-timeout = 60",
        "warnings = false",
        f"headers = {{ Authorization = {json.dumps(headers(live, role)['Authorization'])} }}",
        "[cache]",
        "enabled = false",
        "[generation]",
        f"max-examples = {examples}",
        f"deterministic = {'false' if SEED else 'true'}",
        'database = "none"',
        "[checks]",
        # What the schema allows may still be refused: most rules are about what is there already.
        "positive_data_acceptance.enabled = false",
        "[phases.stateful]",
        "max-steps = 8",
        f"generation.max-examples = {STATEFUL * examples}",
    ]
    found = {where: values for where, values in dictionaries(live).items() if values}
    for number, values in enumerate(found.values()):
        lines += [f"[dictionaries.d{number}]", f"values = {json.dumps(values)}"]
    for number, names in enumerate(NAMED.values()):
        lines += [f"[dictionaries.n{number}]", f"values = {json.dumps(names)}"]
    lines.append("[parameters]")
    for number, where in enumerate(found):
        lines.append(f'{json.dumps(where)} = {{ dictionary = "d{number}", probability = 0.7 }}')
    for number, where in enumerate(NAMED):
        lines += ["[[operations]]", f'include-path-regex = "{where}"']
        lines.append(f'parameters = {{ "path.name" = {{ dictionary = "n{number}", probability = 0.7 }} }}')
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ASKING)}"]
    lines.append('checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 502]')
    return "\n".join(lines) + "\n"


def fuzz(live: Live, home: Path, role: str, *, examples: int, phases: str) -> None:
    path = home / "schemathesis.toml"
    path.write_text(config(live, role, examples), encoding="utf-8")
    names = " ".join(live.run(kept(live)))
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_KEPT": names}
    program = [str(Path(sys.executable).with_name("schemathesis")), "--no-color", "--config-file", str(path)]
    (home / "api.json").write_text(json.dumps(live.world.app.openapi()), encoding="utf-8")
    done = subprocess.run(
        [*program, "run", "api.json", "--url", live.url, "--phases", phases],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_whoever_may_do_everything_meets_no_server_error_and_no_undescribed_answer(live: Live, tmp_path: Path) -> None:
    fuzz(live, tmp_path, "everything", examples=EXAMPLES, phases=PHASES)
    operations = {
        (method.upper(), path) for path, methods in live.world.app.openapi()["paths"].items() for method in methods
    }
    seen = answered(live)
    assert operations <= seen.keys()
    unreached = {one for one in operations if not any(200 <= status < 300 for status in seen[one])}
    assert len(unreached) <= len(operations) * (1 - REACHED), sorted(unreached)


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"everything"}))
def test_every_role_meets_no_server_error_and_no_undescribed_answer(live: Live, tmp_path: Path, role: str) -> None:
    fuzz(live, tmp_path, role, examples=max(1, EXAMPLES // 3), phases="fuzzing,stateful")
