"""The container image: built here from the repository, it makes a backup as deploy/compose.yml would run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.world import eventually
from tests.packaging.conftest import ROOT
from tests.packaging.podman import Podman, missing, pip_settings

IMAGE = "cpe-manager:latest"
DATA = "/var/lib/cpe-manager"
UID = "10640"
DEVICES = 3


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


def start_fleet(podman: Podman) -> None:
    """Virtual CPEs from the same image; their loopback is what the daemon's container joins."""
    options = ("--detach", "--name=fleet", "--network=none", f"--volume=data:{DATA}", "--entrypoint=cpe-sim")
    told = ("--inventory", f"{DATA}/fleet.csv", "--credentials", f"{DATA}/credentials.toml")
    control = ("--control", "/tmp/sim.sock", "--ready-file", "/tmp/sim.ready")
    podman("run", *options, IMAGE, "fleet", "--count", str(DEVICES), "--port", "0", *told, *control)
    eventually("the fleet", lambda: podman.attempt("exec", "fleet", "test", "-e", "/tmp/sim.ready").returncode == 0)


def start_daemon(podman: Podman) -> None:
    """The daemon as the image and the compose file have it, initialised first."""
    podman("run", "--rm", "--network=none", *as_composed(), IMAGE, "init", "--data-dir", DATA)
    podman("run", "--detach", "--name=daemon", "--network=container:fleet", *as_composed(), IMAGE)
    eventually("a healthy daemon", lambda: podman.attempt("healthcheck", "run", "daemon").returncode == 0)


def logs(podman: Podman) -> str:
    return "\n".join(f"--- {name}\n{podman.attempt('logs', name).stdout}" for name in ("fleet", "daemon"))


@pytest.mark.container
@pytest.mark.timeout(900)
def test_the_image_backs_up_a_fleet_as_an_ordinary_user_and_stops_when_told() -> None:
    if reason := missing():
        pytest.skip(f"no containers: {reason}")
    with Podman() as podman:
        podman.build(IMAGE)
        podman("volume", "create", "data")

        def manager(*argv: str) -> Any:
            return json.loads(podman("exec", "daemon", "cpe-manager", *argv, "--json"))

        try:
            start_fleet(podman)
            start_daemon(podman)
            manager("devices", "import", f"{DATA}/fleet.csv", "--no-backup")
            job = manager("backup", "run", "--all", "--no-wait")["id"]
            eventually("the end of the run", lambda: manager("jobs", "show", job)["state"] == "done")
            assert manager("jobs", "show", job)["counts"]["stored"] == DEVICES
        except AssertionError as error:
            error.add_note(logs(podman))
            raise
        assert podman("exec", "daemon", "id", "-u").strip() == UID
        assert podman("exec", "daemon", "sh", "-c", f"stat -c %u {DATA}/keys/keyring.json").strip() == UID
        podman("stop", "--time=30", "daemon")
        assert podman("inspect", "--format={{.State.ExitCode}}", "daemon").strip() == "0"


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
