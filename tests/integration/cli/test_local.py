"""What works on this machine: setting up, passphrases, telling that it is ready."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cpe_manager.cli.local import _passphrase, _Ready
from cpe_manager.domain.errors import InputError
from tests.unit.cli.runner import Cli, ok, one_line, parsed


def test_init_makes_an_installation_once_and_its_client_file_is_private(bare: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = bare("init", "--data-dir", str(data), "--json")
    assert first.exit_code == 0, first.stderr
    made = json.loads(first.stdout)
    assert made["token"].startswith("cpem_")
    client = data / "client.toml"
    assert made["token"] in client.read_text()
    assert client.stat().st_mode & 0o777 == 0o600
    again = json.loads(bare("init", "--data-dir", str(data), "--json").stdout)
    assert (again["token"], again["created"]) == (None, [])
    assert made["token"] in client.read_text()


def test_init_tells_a_newcomer_what_to_do_next(bare: Cli, tmp_path: Path) -> None:
    told = bare("init", "--data-dir", str(tmp_path / "data")).stdout
    for word in ("keyring.json", "credentials.toml", f"cpe-manager serve --data-dir {tmp_path / 'data'}"):
        assert word in told


def test_init_makes_another_token_when_all_were_lost(bare: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = parsed(bare("init", "--data-dir", str(data), "--json"))["token"]
    (data / "client.toml").unlink()
    again = parsed(bare("init", "--data-dir", str(data), "--new-token", "--json"))
    assert again["token"].startswith("cpem_")
    assert again["token"] != first
    assert again["token"] in (data / "client.toml").read_text()


def test_init_says_when_commands_would_go_on_to_another_daemon(bare: Cli, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert "another daemon" not in ok(bare("init", "--data-dir", str(one)))
    assert f"CPE_MANAGER_DATA_DIR={two}" in ok(bare("init", "--data-dir", str(two)))
    assert "another daemon" not in ok(bare("init", "--data-dir", str(one), "--new-token"))


def test_a_new_token_works_at_once_and_what_the_daemon_writes_afterwards_is_kept(bare: Cli, tmp_path: Path) -> None:
    """A command beside the daemon must leave the daemon's database and its journal alone."""
    data, secret = tmp_path / "data", tmp_path / "secret"
    secret.write_text("correct horse battery\n")
    ok(bare("init", "--data-dir", str(data)))
    with served(data) as url:
        token = parsed(bare("init", "--data-dir", str(data), "--new-token", "--json"))["token"]
        ok(bare("archive", str(tmp_path / "a"), "--data-dir", str(data), "--passphrase-file", str(secret)))
        here = {"CPE_MANAGER_URL": url, "CPE_MANAGER_TOKEN": token}
        ok(bare("schedule", "add", "weekly", "0 3 * * 0", env=here))
    with served(data) as url:
        here = {"CPE_MANAGER_URL": url, "CPE_MANAGER_TOKEN": token}
        names = [one["name"] for one in parsed(bare("schedule", "list", "--json", env=here))["items"]]
    assert names == ["nightly", "weekly"]


@contextmanager
def served(data: Path) -> Iterator[str]:
    """A daemon in a process of its own, ended without warning; its URL."""
    ready = data / "url"
    words = ["serve", "--data-dir", str(data), "--port", "0", "--ready-file", str(ready)]
    program = "from cpe_manager.cli.main import main; main()"
    with subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True) as daemon:
        try:
            deadline = time.monotonic() + 60
            while not ready.exists():
                assert daemon.poll() is None, daemon.communicate()[1]
                assert time.monotonic() < deadline
                threading.Event().wait(0.05)
            yield ready.read_text().strip()
        finally:
            daemon.kill()
            ready.unlink(missing_ok=True)


def test_a_directory_that_was_not_set_up_is_told_so(bare: Cli, tmp_path: Path) -> None:
    one_line(bare("serve", "--data-dir", str(tmp_path / "none"), "--port", "0"), "settings", "cpe-manager init")


def test_a_wrong_setting_is_named(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "cpe-manager.toml").write_text("sessions = 0\n")
    one_line(bare("serve", "--data-dir", str(tmp_path)), "settings", "sessions", "cpe-manager.toml")


def test_an_archive_comes_back_in_another_directory(bare: Cli, tmp_path: Path) -> None:
    old, new, archive, secret = (tmp_path / name for name in ("old", "new", "a.archive", "secret"))
    secret.write_text("correct horse battery\n")
    assert bare("init", "--data-dir", str(old)).exit_code == 0
    done = bare("archive", str(archive), "--data-dir", str(old), "--passphrase-file", str(secret))
    assert done.exit_code == 0, done.stderr
    one_line(bare("archive", str(archive), "--data-dir", str(old)), "input", str(archive))
    wrong = {"CPE_MANAGER_ARCHIVE_PASSPHRASE": "wrong horse"}
    refused = bare("unarchive", str(archive), "--data-dir", str(tmp_path / "w"), env=wrong)
    assert refused.exit_code != 0
    assert len(refused.stderr.splitlines()) == 1
    back = bare("unarchive", str(archive), "--data-dir", str(new), "--passphrase-file", str(secret))
    assert back.exit_code == 0, back.stderr
    keyring = Path("keys") / "keyring.json"
    assert json.loads((new / keyring).read_text()) == json.loads((old / keyring).read_text())


def test_a_passphrase_comes_from_the_file_else_the_environment_and_is_never_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPE_MANAGER_ARCHIVE_PASSPHRASE", "from the environment")
    assert _passphrase(None, confirm=True) == "from the environment"
    file = tmp_path / "p"
    file.write_text("from the file\nrest\n")
    assert _passphrase(file, confirm=True) == "from the file"
    file.write_text("\n")
    with pytest.raises(InputError, match="empty"):
        _passphrase(file, confirm=False)


def test_without_a_terminal_the_ways_to_give_a_passphrase_are_named(bare: Cli, tmp_path: Path) -> None:
    result = bare("archive", str(tmp_path / "a"), "--data-dir", str(tmp_path), stdin="")
    one_line(result, "input", "--passphrase-file", "CPE_MANAGER_ARCHIVE_PASSPHRASE")


def test_the_ready_file_holds_the_url_and_is_never_half_written(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    _Ready(file)("http://127.0.0.1:8640")
    assert file.read_text() == "http://127.0.0.1:8640\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
