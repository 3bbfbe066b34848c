"""Bad input and bad luck give one clear line, the documented exit code, and lose nothing."""

from __future__ import annotations

import csv
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cpe_manager.domain.outcomes import EXIT_CODE
from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def one_line(done: subprocess.CompletedProcess[str], code: str, *words: str) -> None:
    """Exactly one line on stderr, with these words, and the exit code of ``code``."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in done.stderr
    assert done.returncode == EXIT_CODE[code]


def started(w: World, count: int = 3) -> None:
    w.fleet(count)
    w.init()
    w.serve()


def test_an_unknown_family_is_named_with_file_and_line_and_nothing_is_imported(w: World, tmp_path: Path) -> None:
    started(w)
    bad = tmp_path / "bad.csv"
    rows = w.inventory.read_text().splitlines()
    family = csv.DictReader(rows[:1] + rows[2:3]).__next__()["family"]
    bad.write_text("\n".join([*rows[:2], rows[2].replace(family, "enigma"), *rows[3:]]) + "\n")
    one_line(w.cli("devices", "import", str(bad)), "input", "bad.csv:3", "enigma")
    assert w.json("devices", "list")["items"] == []


def test_a_damaged_csv_is_named_with_file_and_line_and_nothing_is_imported(w: World, tmp_path: Path) -> None:
    started(w)
    bad = tmp_path / "bad.csv"
    rows = w.inventory.read_text().splitlines()
    bad.write_text("\n".join([*rows, rows[1].replace(rows[1].split(",")[2], "not an address")]) + "\n")
    done = w.cli("devices", "import", str(bad))
    assert done.returncode == EXIT_CODE["input"]
    assert f"bad.csv:{len(rows) + 1}" in done.stderr
    assert w.json("devices", "list")["items"] == []


def test_the_key_file_of_another_installation_stops_the_start(w: World, tmp_path: Path) -> None:
    w.init()
    with world(tmp_path / "other") as other:
        other.home.mkdir()
        other.init(own=True)
        keyring = w.data / "keys" / "keyring.json"
        shutil.copy(other.data / "keys" / "keyring.json", keyring)
    one_line(w.cli("serve", "--data-dir", str(w.data), "--port", "0"), "key", str(keyring))


def test_a_damaged_key_file_stops_the_start_and_is_left_as_it_is(w: World) -> None:
    w.init()
    keyring = w.data / "keys" / "keyring.json"
    keyring.write_text(keyring.read_text()[:-40])
    damaged = keyring.read_bytes()
    one_line(w.cli("serve", "--data-dir", str(w.data), "--port", "0"), "key", str(keyring))
    assert keyring.read_bytes() == damaged


def test_a_port_in_use_stops_the_start(w: World) -> None:
    w.init()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        one_line(w.cli("serve", "--data-dir", str(w.data), "--port", str(port)), "address_in_use", f":{port}")


def test_a_database_locked_by_somebody_else_stops_the_start(w: World) -> None:
    w.init()
    with closing(sqlite3.connect(w.data / "cpe-manager.sqlite3", isolation_level=None)) as intruder:
        intruder.execute("BEGIN EXCLUSIVE")
        one_line(w.cli("serve", "--data-dir", str(w.data), "--port", "0"), "store_busy", "locked")


def test_a_second_daemon_on_the_same_data_directory_does_not_start(w: World) -> None:
    w.init()
    w.serve()
    one_line(w.cli("serve", "--data-dir", str(w.data), "--port", "0"), "conflict", "another daemon")


def test_a_command_without_a_daemon_says_where_it_looked(w: World) -> None:
    w.url, w.token = "http://127.0.0.1:9", "cpem_x"
    one_line(w.cli("devices", "list"), "unreachable", "http://127.0.0.1:9")


def test_a_wrong_token_is_refused_in_one_line(w: World) -> None:
    started(w)
    w.token = "cpem_wrong"
    one_line(w.cli("devices", "list"), "unauthorised", "token")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB, which is soon full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot mount a small file system: {made.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.data.symlink_to(small_disk, target_is_directory=True)
        w.fleet(6)
        w.init()
        w.serve()
        w.ok("devices", "import", str(w.inventory), "--no-backup")
        w.ok("backup", "run", "--all", "--wait")
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as filler:
            try:
                while filler.write(b"\0" * 65536):
                    pass
            except OSError:
                filler.flush()
        with w.sim() as fleet:
            for device in fleet.devices():
                fleet.change(device["name"])
        one_line(w.cli("backup", "run", "--all", "--wait"), "store_full", "full")
        ballast.unlink()
        w.ok("backup", "run", "--all", "--wait")
        assert w.json("backup", "verify", "--wait")["result"]["broken"] == 0
        for device in w.json("devices", "list")["items"]:
            versions = eventually(
                "the changed version",
                lambda name=device["name"]: w.json("backup", "list", name)["items"],
            )
            assert [version["number"] for version in versions] == [2, 1]
