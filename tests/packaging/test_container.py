"""The container image: built here from the repository, it makes a backup as deploy/compose.yml would run it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.world import eventually
from tests.packaging.conftest import ROOT
from tests.packaging.podman import Podman, composing, missing, pip_settings

IMAGE = "cpe-manager:latest"
DATA = "/var/lib/cpe-manager"
UID = "10640"
PROJECT = "cpe-virtual-test"
FLEET = "/virtual"
"""Where the daemon's container finds what the virtual CPEs say of themselves."""


def as_composed() -> list[str]:
    """The restrictions of the compose file's service, as podman's options."""
    service = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())["services"]["cpe-manager"]
    assert service["image"] == IMAGE
    return [
        *([f"--read-only={str(service['read_only']).lower()}"]),
        *(f"--tmpfs={place}" for place in service["tmpfs"]),
        *(f"--cap-drop={capability}" for capability in service["cap_drop"]),
        *(f"--security-opt={option.replace(':', '=')}" for option in service["security_opt"]),
        *(f"--volume={volume}" for volume in service["volumes"]),
    ]


def start_fleet(podman: Podman, told: Callable[..., None]) -> str:
    """Virtual CPEs from the same image, as the lab's compose file has them; the name of their container."""
    told("--profile", "virtual", "up", "--detach", "--no-build", "virtual-cpes")
    (name,) = podman("ps", "--format={{.Names}}").split()
    eventually("the fleet", lambda: podman.attempt("exec", name, "test", "-e", f"{DATA}/virtual.toml").returncode == 0)
    return name


def start_daemon(podman: Podman) -> None:
    """The daemon as the image and the compose file have it, initialised first, on the operator's network of the lab."""
    podman("run", "--rm", "--network=none", *as_composed(), IMAGE, "init", "--data-dir", DATA)
    lab = (f"--network={PROJECT}_operator", f"--volume={PROJECT}_virtual:{FLEET}:ro")
    told = (f"--env=CPE_MANAGER_CREDENTIALS_FILE={FLEET}/virtual.toml",)
    podman("run", "--detach", "--name=daemon", *lab, *told, *as_composed(), IMAGE)
    eventually("a healthy daemon", lambda: podman.attempt("healthcheck", "run", "daemon").returncode == 0)


def logs(podman: Podman) -> str:
    names = podman.attempt("ps", "--all", "--format={{.Names}}").stdout.split()
    return "\n".join(f"--- {name}\n{podman.attempt('logs', name).stdout}" for name in names)


def they_are_backed_up(podman: Podman, told: Callable[..., None]) -> None:
    podman("volume", "create", "data")

    def manager(*argv: str) -> Any:
        return json.loads(podman("exec", "daemon", "cpe-manager", *argv, "--json"))

    try:
        fleet = start_fleet(podman, told)
        start_daemon(podman)
        manager("devices", "import", f"{FLEET}/virtual.csv", "--no-backup")
        count = len(podman("exec", fleet, "cat", f"{DATA}/virtual.csv").splitlines()) - 1
        job = manager("backup", "run", "--all", "--no-wait")["id"]
        eventually("the end of the run", lambda: manager("jobs", "show", job)["state"] == "done")
        assert manager("jobs", "show", job)["counts"]["stored"] == count
    except AssertionError as error:
        error.add_note(logs(podman))
        raise
    assert podman("exec", "daemon", "id", "-u").strip() == UID
    assert podman("exec", "daemon", "sh", "-c", f"stat -c %u {DATA}/keys/keyring.json").strip() == UID
    podman("stop", "--time=30", "daemon")
    assert podman("inspect", "--format={{.State.ExitCode}}", "daemon").strip() == "0"


@pytest.mark.container
@pytest.mark.timeout(1800)
def test_the_image_backs_up_the_virtual_boxes_of_the_lab_as_an_ordinary_user_and_stops_when_told(
    tmp_path: Path,
) -> None:
    if reason := missing("podman-compose"):
        pytest.skip(f"no containers: {reason}")
    with Podman() as podman:
        podman.build(IMAGE)
        with composing(podman, tmp_path, PROJECT) as told:
            they_are_backed_up(podman, told)


def test_pip_settings_reach_the_build_with_the_files_they_point_at(tmp_path: Path) -> None:
    index, wheels = tmp_path / "index" / "simple", tmp_path / "wheels"
    for folder in (index, wheels):
        folder.mkdir(parents=True)
    listing = (
        f":env:.find-links='{wheels}'\n"
        "global.find-links='/is/overridden'\n"
        f"global.extra-index-url='file://{index} https://index.example/simple'\n"
        "install.no-compile='true'\n"
    )
    text, places = pip_settings(listing)
    assert places == [tmp_path / "index", wheels]
    assert text.splitlines() == [
        "[global]",
        f"find-links = {wheels}",
        f"extra-index-url = file://{index} https://index.example/simple",
        "[install]",
        "no-compile = true",
    ]
