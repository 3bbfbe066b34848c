"""The lab's compose file: in containers it is the lab that it is in namespaces, a switch to mobile included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from simulators.lab import compose
from simulators.lab.compose import Containers
from simulators.lab.control import Control
from simulators.lab.measure import Measuring
from simulators.lab.plan import LabPlan
from tests.e2e.world import eventually
from tests.packaging.conftest import command
from tests.packaging.podman import Podman, base_archive, composing, missing

PLAN = LabPlan(cpes=2)
PROJECT = "cpe-lab-test"
BASE = "docker.io/library/debian:bookworm-slim"


def packages() -> str:
    """What the image installs: then a build that has no registry finds it in its base."""
    text = (compose.FILE.parent / "Dockerfile").read_text()
    words = text.partition("--no-install-recommends")[2].partition("&&")[0].split()
    return ",".join(sorted(word for word in words if word != "\\"))


def test_the_file_is_what_the_plan_says() -> None:
    assert compose.FILE.read_text() == compose.text(PLAN), (
        "write it anew: cpe-sim lab compose >simulators/lab/docker-compose.yml"
    )
    services = yaml.safe_load(compose.FILE.read_text())["services"]
    assert set(services) == {*PLAN.nodes, "virtual-cpes"} - {"access"}
    assert services["cpe2"]["networks"]["fixed2"]["ipv4_address"] == str(PLAN.cpe(2).line_address)


@contextmanager
def composed(podman: Podman, folder: Path) -> Iterator[Containers]:
    """The lab, up; what the compose file asks for is asked by podman-compose."""
    podman("import", base_archive(packages()), BASE)
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    with composing(podman, folder, PROJECT, key=(folder / "key.pub").read_text().strip()) as told:
        told("build", "edge")
        told("up", "--detach", "--no-build")
        lab = Containers(PLAN, PROJECT, (str(podman.script(folder / "podman")),))
        for node in PLAN.nodes:
            if node != "access":
                eventually(f"node {node}", lambda node=node: lab.ready(node))
        yield lab


@pytest.mark.container
@pytest.mark.timeout(1800)
def test_in_containers_a_line_is_cut_and_the_customer_keeps_the_address(tmp_path: Path) -> None:
    if reason := missing("podman-compose"):
        pytest.skip(f"no containers: {reason}")
    with Podman() as podman, composed(podman, tmp_path) as lab:
        control = Control(PLAN, lab, lab)
        with Measuring(lab, PLAN, 1, 15.0, every=0.005) as measuring:
            measuring.do("cut", lambda: control.cut_carrier(1))
        result = measuring.result()
        assert result.udp is not None
        assert result.tcp is not None
        assert set(result.udp.sources) == {"203.0.113.1"}
        assert result.tcp.survived
        assert "wwan0" in lab.run("cpe1", "ip", "route", "show", "default")
        assert "via 100.64.0.17" in lab.run("cpe2", "ip", "route", "show", "default")
        with Measuring(lab, PLAN, 1, 1.0, ("udp", "voice"), counted=control.counted) as mobile:
            pass
        over, voice = mobile.result().udp, mobile.result().voice
        assert over is not None
        assert voice is not None
        assert set(over.sources) == {"203.0.113.1"}
        assert voice.over_mobile > 0  # nothing bars it here
        assert voice.over_fixed == 0
        control.restore(1)
        eventually("the fixed line", lambda: "via 100.64.0.9" in lab.run("cpe1", "ip", "route", "show", "default"))
        control.cut_silent(1)
        with Measuring(lab, PLAN, 1, 1.0, ("udp",)) as silent:
            pass
        nothing = silent.result().udp
        assert nothing is not None
        assert not nothing.sources
        control.restore(1)
        control.power(2, "off")
        control.power(2, "on")
        eventually("the box after its restart", lambda: lab.run("manager", "ping", "-c1", "-W2", "10.100.0.2"))
