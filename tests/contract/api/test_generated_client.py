"""A client that is generated from the description type-checks, and works against a daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.contract.api.fuzz_world import headers, peopled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT: Final = Path(__file__).resolve().parents[3]
CALLS: Final = Path(__file__).with_name("client_calls.py")
OPTIONS: Final = (
    "project_name_override: cpe-manager-client\npackage_name_override: cpe_manager_client\npost_hooks: []\n"
)


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment or None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def tools() -> Path:
    """Where the generator lives; made when it is not there yet."""
    run("sh", "scripts/setup-client.sh", cwd=ROOT)
    return ROOT / ".venv-client" / "bin"


def test_a_generated_client_type_checks_and_works(tools: Path, tmp_path: Path) -> None:
    with peopled(tmp_path / "home") as live:
        (tmp_path / "api.json").write_text(json.dumps(live.world.app.openapi()), encoding="utf-8")
        (tmp_path / "options.yaml").write_text(OPTIONS, encoding="utf-8")
        said = run(
            tools / "openapi-python-client",
            *("generate", "--path", "api.json", "--config", "options.yaml", "--meta", "none"),
            *("--output-path", "cpe_manager_client", "--fail-on-warning"),
            cwd=tmp_path,
        )
        assert "warning" not in said.lower(), said
        mypy = (sys.executable, "-m", "mypy", "--config-file=", "--python-executable", tools / "python")
        run(*mypy, "--check-untyped-defs", "--disallow-any-generics", CALLS, cwd=tmp_path, MYPYPATH=str(tmp_path))
        token = headers(live, "everything")["Authorization"].removeprefix("Bearer ")
        found = json.loads(run(tools / "python", CALLS, live.url, token, cwd=tmp_path, PYTHONPATH=str(tmp_path)))
    assert found == {
        "version": "1.2.3",
        "made": "made",
        "twice": "409 conflict",
        "shown": "192.0.2.91",
        "unknown": "404 not_found",
        "names": ["GENT-01", "made", "r1", "r2", "r3", "w1", "w2"],
        "suspended": "suspended",
        "job": [202, True],
        "job_state": "open",
        "versions": [2, 1],
        "pushed_once": True,
        "push": "planned",
        "late": "412 precondition_failed",
        "why": 412,
        "group": None,
        "events": ["device.added", "device.suspended"],
        "stranger": "401 unauthorised",
    }
