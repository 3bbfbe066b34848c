"""What the packaging tests share: the wheel, and an environment that holds it and its locked dependencies, no more."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def command(*argv: str | Path, timeout: float = 900, cwd: Path | None = None) -> str:
    """Run a program to a good end and return what it printed; otherwise the test fails with all of it."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker of this run fills and the others wait for."""
    shared = factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / ".made").touch()
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The wheel, built from the work tree."""

    def build(folder: Path) -> None:
        command(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)

    (built,) = once(tmp_path_factory, worker_id, "wheel", build).glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A virtual environment with the runtime lock and the wheel; not even pip is in it."""

    def install(folder: Path) -> None:
        command(sys.executable, "-m", "venv", "--without-pip", folder)
        pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet")
        command(*pip, "--require-hashes", "-r", ROOT / "requirements.lock")
        command(*pip, "--no-deps", wheel)

    return once(tmp_path_factory, worker_id, "installed", install)
