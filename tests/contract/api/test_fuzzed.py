"""Schemathesis over the whole API, for every role: no server error, and no answer that the description does not have.

``CPE_MANAGER_API_EXAMPLES`` is how many requests are made up for each operation (3), ``CPE_MANAGER_API_SEED`` begins
another series of them; in CI both stay as they are, so that what failed fails again.
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

from tests.contract.api.fuzz_world import DEVICES, ROLES, answered, dictionaries, headers, peopled
from tests.integration.api.live import Live

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT: Final = Path(__file__).resolve().parents[3]
EXAMPLES: Final = int(os.environ.get("CPE_MANAGER_API_EXAMPLES", "3"))
STATEFUL: Final = 10
"""Chains of requests, for each that is made up for an operation alone."""
SEED: Final = int(os.environ.get("CPE_MANAGER_API_SEED", "20261129"))
ASKING: Final = ("planPush", "lookAtDrift", "refreshDeviceFacts", "detectFamily", "checkCoverage")
"""They ask a box while the caller waits, and tell that it cannot be reached: 502 with the code of a device."""
NEVER: Final = frozenset(
    {
        ("POST", "/api/v1/push-plans"),
        ("POST", "/api/v1/drift/{name}/look"),
        ("POST", "/api/v1/devices/{name}/facts"),
        ("POST", "/api/v1/detections"),
    }
)
"""Succeed at a box that answers alone; there is none."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with peopled(tmp_path_factory.mktemp("fuzzed")) as made:
        yield made


def config(live: Live, role: str, examples: int) -> str:
    """As TOML; JSON's strings, numbers and lists are TOML's as well."""
    lines = [
        f"seed = {SEED}",
        'hooks = "tests.contract.api.fuzz_hooks"',
        'suppress-health-check = ["all"]',
        "request-timeout = 60",
        "warnings = false",
        f"headers = {{ Authorization = {json.dumps(headers(live, role)['Authorization'])} }}",
        "[cache]",
        "enabled = false",
        "[generation]",
        f"max-examples = {examples}",
        "deterministic = true",
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
    lines.append("[parameters]")
    for number, where in enumerate(found):
        lines.append(f'{json.dumps(where)} = {{ dictionary = "d{number}", probability = 0.7 }}')
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ASKING)}"]
    lines.append('checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 502]')
    return "\n".join(lines) + "\n"


def fuzz(live: Live, home: Path, role: str, *, examples: int, phases: str) -> None:
    path = home / "schemathesis.toml"
    path.write_text(config(live, role, examples), encoding="utf-8")
    kept = live.run(live.world.services.tokens.list())
    names = [*(word for token in kept for word in (token.name, token.id)), *DEVICES]
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_KEPT": " ".join(names)}
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
    fuzz(live, tmp_path, "everything", examples=EXAMPLES, phases="examples,coverage,fuzzing,stateful")
    operations = {
        (method.upper(), path) for path, methods in live.world.app.openapi()["paths"].items() for method in methods
    }
    seen = answered(live)
    assert operations <= seen.keys()
    unreached = {one for one in operations if not any(200 <= status < 300 for status in seen[one])}
    assert unreached <= NEVER, sorted(unreached - NEVER)


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"everything"}))
def test_every_role_meets_no_server_error_and_no_undescribed_answer(live: Live, tmp_path: Path, role: str) -> None:
    fuzz(live, tmp_path, role, examples=max(1, EXAMPLES // 2), phases="examples,fuzzing,stateful")
