"""What holds for every command: help, one line for a failure, the documented exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cpe_manager.domain.outcomes import EXIT_CODE
from tests.unit.cli.runner import TREE, Cli, one_line

PROGRAM = "from cpe_manager.cli.main import main; main()"


def commands() -> list[tuple[str, ...]]:
    def walk(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        below = getattr(command, "commands", {})
        return [path, *(found for name, child in below.items() for found in walk(child, (*path, name)))]

    return walk(TREE, ())


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(bare: Cli, path: tuple[str, ...]) -> None:
    result = bare(*path, "--help")
    assert result.exit_code == 0
    command = TREE
    for name in path:
        command = command.commands[name]
    assert command.help
    for param in command.params:
        if param.param_type_name == "option" and not param.name.endswith("completion"):
            assert getattr(param, "help", None), (path, param.name)


def test_help_loads_neither_http_nor_tables_nor_the_daemon() -> None:
    heavy = "[m for m in ('httpx', 'pydantic', 'rich', 'sqlalchemy', 'fastapi', 'asyncio') if m in sys.modules]"
    script = f"""
import sys, json
from cpe_manager.cli.main import app
try:
    app(["--help"])
except SystemExit:
    print("HEAVY" + json.dumps({heavy}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout.rpartition("HEAVY")[2]) == []


def test_the_version_is_shown(bare: Cli) -> None:
    assert bare("--version").stdout.startswith("cpe-manager 0")


def test_a_command_alone_shows_its_help(bare: Cli) -> None:
    result = bare("devices")
    assert "accept-key" in result.stderr
    assert result.exit_code == EXIT_CODE["usage"]


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("devces",), "Did you mean 'devices'"),
        (("devices", "list", "--colour"), "--colour"),
        (("devices", "show"), "DEVICE"),
        (("devices", "list", "--state", "lost"), "lost"),
        (("backup", "show", "r1", "zero"), "VERSION"),
        (("backup", "list", "r1", "--limit", "0"), "--limit"),
    ],
)
def test_a_mistake_in_the_command_is_one_line_and_exit_code_2(bare: Cli, args: tuple[str, ...], word: str) -> None:
    one_line(bare(*args), "usage", word, "--help")


def test_without_a_token_the_ways_to_give_one_are_named(bare: Cli) -> None:
    one_line(bare("devices", "list"), "unauthorised", "--token", "CPE_MANAGER_TOKEN")


def test_without_a_daemon_the_place_that_was_tried_is_named(bare: Cli) -> None:
    one_line(bare("--url", "http://127.0.0.1:9", "--token", "t", "jobs", "list"), "unreachable", "http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8640", "nonsense"])
def test_a_url_that_is_none_is_bad_input(bare: Cli, url: str) -> None:
    one_line(bare("--url", url, "--token", "t", "jobs", "list"), "input", url)


def test_a_client_file_is_found_by_data_directory_and_flags_win_over_it(bare: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "client.toml").write_text('url = "http://127.0.0.1:9"\ntoken = "t"\n')
    by_env = bare("jobs", "list", env={"CPE_MANAGER_DATA_DIR": str(data)})
    one_line(by_env, "unreachable", "http://127.0.0.1:9")
    one_line(bare("--data-dir", str(data), "jobs", "list"), "unreachable", "http://127.0.0.1:9")
    one_line(bare("--data-dir", str(data), "--url", "http://127.0.0.1:8", "jobs", "list"), "unreachable", ":8")


def test_a_person_s_own_client_file_is_found(bare: Cli, tmp_path: Path) -> None:
    own = tmp_path / "config" / "cpe-manager" / "client.toml"
    own.parent.mkdir(parents=True)
    own.write_text('url = "http://127.0.0.1:9"\ntoken = "t"\n')
    one_line(bare("jobs", "list"), "unreachable", "http://127.0.0.1:9")
    own.write_text("url = ")
    one_line(bare("jobs", "list"), "input", str(own))


def test_for_a_named_directory_no_other_daemon_s_client_file_counts(bare: Cli, tmp_path: Path) -> None:
    own = tmp_path / "config" / "cpe-manager" / "client.toml"
    own.parent.mkdir(parents=True)
    own.write_text('url = "http://127.0.0.1:9"\ntoken = "t"\n')
    missing = str(tmp_path / "other" / "client.toml")
    one_line(bare("--data-dir", str(tmp_path / "other"), "jobs", "list"), "unauthorised", missing, "--new-token")


@pytest.mark.parametrize("option", ["--data-dir", "--url", "--token", "--debug"])
def test_an_option_of_the_program_behind_a_command_is_told_its_place(bare: Cli, option: str) -> None:
    one_line(bare("devices", "list", option, "x"), "usage", f"cpe-manager {option} ... devices list")


def test_a_token_that_can_be_none_is_refused_without_being_repeated(bare: Cli) -> None:
    for token in ("s\N{LATIN SMALL LETTER A WITH DIAERESIS}cret", "s\ncret"):
        result = bare("--url", "http://127.0.0.1:9", "--token", token, "jobs", "list")
        one_line(result, "input", "token")
        assert "cret" not in result.stderr


def test_where_nobody_can_answer_a_question_the_option_that_answers_it_is_named(bare: Cli) -> None:
    result = bare("--url", "http://127.0.0.1:9", "--token", "t", "key", "retire", "k-1")
    assert result.exit_code == EXIT_CODE["input"]
    assert "--yes" in result.stderr.splitlines()[-1]


def test_output_that_cannot_be_written_is_one_line() -> None:
    shell = f'"{sys.executable}" -c "{PROGRAM}" backup run --help >/dev/full'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == EXIT_CODE["internal"]
    assert done.stderr.splitlines() == ["cpe-manager: No space left on device (--debug shows where)"]


def test_with_debug_the_traceback_is_left_alone(bare: Cli) -> None:
    result = bare("--debug", "--url", "http://127.0.0.1:9", "--token", "t", "jobs", "list")
    assert type(result.exception).__name__ == "DaemonUnreachable"


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    shell = f'"{sys.executable}" -c "{PROGRAM}" backup run --help | true'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""


def test_ctrl_c_ends_with_130_and_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "passphrase"
    os.mkfifo(pipe)
    words = ["archive", str(tmp_path / "a"), "--data-dir", str(tmp_path), "--passphrase-file", str(pipe)]
    # A run in the background of a shell inherits an ignored SIGINT; a person's terminal does not.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    argv = [sys.executable, "-c", heard + PROGRAM, *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        writer = _writer_once_somebody_reads(pipe)
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=60)
        os.close(writer)
    assert (command.returncode, told.strip()) == (128 + signal.SIGINT, "")


def _writer_once_somebody_reads(pipe: Path) -> int:
    deadline = time.monotonic() + 60
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise  # ENXIO alone says that nobody reads yet
            threading.Event().wait(0.05)
