"""The wheel is complete by itself: what users install is what was tested."""

from __future__ import annotations

import shutil
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PACKAGES = {"cpe_manager", "drivers", "backups", "simulators"}

_IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        # Alembic runs these itself, inside a migration; a __main__ runs its program.
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""

_SHIPPED = """
from cpe_manager.adapters.catalogue_file import SERVICE_FILE, shipped
print(shipped(SERVICE_FILE))
"""

_RUN_TESTS = """
import sys
sys.path.append(sys.argv[1])  # the test tools; the product's own dependencies are found before them
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""


def test_the_wheel_holds_the_four_packages_and_their_data_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("cpe_manager-")} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    migrations = ROOT / "cpe_manager" / "adapters" / "db" / "migrations"
    expected = {str(path.relative_to(ROOT)) for path in migrations.rglob("*") if path.suffix in {".py", ".mako"}}
    assert expected
    assert expected <= names


def test_the_wheel_brings_the_example_configuration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    (data,) = {name.split("/")[0] for name in names if ".data/" in name}
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "config").rglob("*") if path.is_file()}
    assert shipped
    assert {f"{data}/data/share/cpe-manager/{name}" for name in shipped} <= names


def test_the_wheel_brings_what_the_nodes_of_the_lab_run(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    lab = ROOT / "simulators" / "lab"
    expected = {str(path.relative_to(ROOT)) for path in (lab / "nodes").glob("*.sh")}
    expected |= {f"simulators/lab/{name}" for name in ("Dockerfile", "docker-compose.yml", "probes.py")}
    assert len(expected) > 10
    assert expected <= names


def test_the_programs_start_and_tell_their_version_and_use(installed: Path) -> None:
    version = command(installed / "bin" / "cpe-manager", "--version")
    assert version.split()[-1] == "0.1.0"
    assert "serve" in command(installed / "bin" / "cpe-manager", "--help")
    assert "Usage" in command(installed / "bin" / "cpe-sim", "--help")
    assert (installed / "share" / "cpe-manager" / "config" / "systemd" / "cpe-manager.service").is_file()


def test_the_installed_program_finds_the_catalogues_that_come_along(installed: Path, tmp_path: Path) -> None:
    program, data = installed / "bin" / "cpe-manager", str(tmp_path / "data")
    command(program, "init", "--data-dir", data, cwd=tmp_path)
    said = command(program, "catalogue", "check", "--data-dir", data, cwd=tmp_path)
    assert "a service catalogue with 5 formulas" in said
    found = command(installed / "bin" / "python", "-I", "-c", _SHIPPED, cwd=tmp_path).strip()
    assert Path(found) == installed / "share" / "cpe-manager" / "config" / "service-catalogue.toml"


def test_every_module_imports_with_nothing_but_the_runtime_lock(installed: Path, tmp_path: Path) -> None:
    imported = command(installed / "bin" / "python", "-I", "-c", _IMPORT_ALL, *sorted(PACKAGES), cwd=tmp_path).split()
    assert {"cpe_manager.daemon", "cpe_manager.cli.main", "simulators.cli"} <= set(imported)


def test_copied_tests_pass_against_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = installed / "bin" / "python"
    place = command(python, "-c", "import cpe_manager; print(cpe_manager.__file__)", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(installed)
    # The command line against a live daemon, and the vault; that drivers work from the wheel, the container test shows.
    # test_reference.py compares with docs/, which is no part of the wheel.
    chosen = (
        "tests/unit/cli",
        "tests/integration/cli/test_changing.py",
        "tests/unit/backups",
        "--ignore-glob=*/test_reference.py",
    )
    told = command(python, "-c", _RUN_TESTS, sysconfig.get_path("purelib"), "-q", *chosen, cwd=tmp_path)
    assert " passed" in told
