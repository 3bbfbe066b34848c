"""A podman of the test's own: storage, settings and base image, apart from whatever the machine has.

No registry is needed: the base image is made from Debian's packages. What pip needs on this machine to reach its
packages (``pip config list``: indexes, folders, certificates) is lent to the build as read-only mounts and stays out of
the image.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from simulators.lab import compose
from tests.packaging.conftest import ROOT, command

BASE = "localhost/base:latest"
_SUITE = "bookworm"
_BASE_PACKAGES = "python3,python3-venv,ca-certificates"
_PROGRAMS = ("podman", "runc", "mmdebstrap")
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def program(name: str) -> str | None:
    """Where a program is: beside Python, as what the lock file brings, or on the path."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def missing(*more: str) -> str:
    """What keeps containers from being built here, as one line; empty when nothing does. ``more``: further programs."""
    if os.geteuid() != 0:
        return "making a base image needs root"
    absent = [name for name in (*_PROGRAMS, *more) if program(name) is None]
    return f"not installed: {', '.join(absent)} (scripts/debian-packages.sh container)" if absent else ""


class Podman:
    """Containers and images under one folder of their own; leaving the context removes them all."""

    def __init__(self) -> None:
        # Not under pytest's folder: podman takes no path of more than 50 characters for its run-time files.
        self._folder = Path(tempfile.mkdtemp(prefix="cpe-podman-"))
        self._settings = self._folder / "containers.conf"
        self._program = ["podman", f"--root={self._folder / 'storage'}", f"--runroot={self._folder / 'run'}"]

    def __enter__(self) -> Self:
        self._settings.write_text(_SETTINGS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.attempt("rm", "--all", "--force", "--time=0")
        self.attempt("rmi", "--all", "--force")
        shutil.rmtree(self._folder, ignore_errors=True)

    def attempt(self, *argv: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run podman; any end will do."""
        return subprocess.run(
            [*self._program, *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "CONTAINERS_CONF": str(self._settings)},
            check=False,
        )

    def __call__(self, *argv: str | Path, timeout: float = 120) -> str:
        """Run podman to a good end; what it printed on standard output."""
        done = self.attempt(*argv, timeout=timeout)
        assert done.returncode == 0, f"podman {' '.join(map(str, argv))}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def script(self, path: Path) -> Path:
        """A program that is this podman, for tools that start one themselves. Its networks are the test's own, too."""
        networks = self._folder / "networks"
        networks.mkdir(exist_ok=True)
        self._settings.write_text(f'{_SETTINGS}[network]\nnetwork_config_dir = "{networks}"\n')
        words = " ".join(quote(word) for word in self._program)
        path.write_text(f'#!/bin/sh\nexport CONTAINERS_CONF={quote(str(self._settings))}\nexec {words} "$@"\n')
        path.chmod(0o755)
        return path

    def build(self, tag: str) -> None:
        """Build the repository's Dockerfile on the stand-in base."""
        self("import", base_archive(), BASE)
        lent = [f"--volume={source}:{goal}:ro" for source, goal in self._pip_mounts()]
        # Docker's image format, for the OCI one has no health check.
        options = ["--format=docker", "--network=host", f"--build-arg=BASE_IMAGE={BASE}", f"--tag={tag}"]
        self("build", *options, *lent, ROOT, timeout=1200)

    def _pip_mounts(self) -> list[tuple[Path, str]]:
        text, places = pip_settings(command(sys.executable, "-m", "pip", "config", "list"))
        settings = self._folder / "pip.conf"
        settings.write_text(text)
        return [(settings, "/etc/pip.conf"), *((place, str(place)) for place in places)]


@contextmanager
def composing(podman: Podman, folder: Path, project: str, *, key: str = "nobody") -> Iterator[Callable[..., None]]:
    """Verbs of podman-compose on the lab's compose file, which is taken down at the end.

    One at a time on a machine: its networks take the same ranges each time.
    """
    composer = program("podman-compose")
    assert composer is not None
    asked = [composer, "--podman-path", str(podman.script(folder / "podman")), "--project-name", project]
    asked.append("--podman-build-args=--network=host --pull=never")

    def told(*words: str) -> None:
        done = subprocess.run(
            [*asked, *words],
            cwd=compose.FILE.parent,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LAB_KEY": key},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"

    with Path(tempfile.gettempdir(), "cpe-lab-networks.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        try:
            yield told
        finally:
            # A container of the test's own may still be on one of the networks.
            podman.attempt("rm", "--all", "--force", "--time=0")
            told("--profile", "virtual", "down", "--timeout", "1")


def pip_settings(listing: str) -> tuple[str, list[Path]]:
    """pip's own account of its settings as one pip.conf, and the local files and folders they point at.

    Later lines win and environment variables (``:env:``) come last, as in pip itself.
    """
    sections: dict[str, dict[str, str]] = {"global": {}}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        sections.setdefault("global" if section == ":env:" else section, {})[key] = ast.literal_eval(value)
    text = "\n".join(
        f"[{section}]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items())
        for section, keys in sections.items()
    )
    words = [word for keys in sections.values() for value in keys.values() for word in value.split()]
    return f"{text}\n", sorted({place for word in words if (place := _local_place(word)) is not None})


def _local_place(word: str) -> Path | None:
    if word.startswith("file:"):
        # An index page links to files beside it, so its parent is needed as well.
        place = Path(urlsplit(word).path).parent
    elif word.startswith("/"):
        place = Path(word)
    else:
        return None
    return place if place.exists() and place != Path("/") else None


def base_archive(packages: str = _BASE_PACKAGES) -> Path:
    """A minimal Debian with packages, as the root file system of an image; made once and kept under ``var/``."""
    recipe = hashlib.sha256(f"{_SUITE} {packages}".encode()).hexdigest()[:12]
    archive = ROOT / "var" / "container" / f"base-{recipe}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        part = archive.with_name(f"{os.getpid()}-{archive.name}")
        try:
            command("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", _SUITE, part)
            part.rename(archive)
        finally:
            part.unlink(missing_ok=True)
    return archive
