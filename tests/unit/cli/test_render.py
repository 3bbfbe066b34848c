"""Times, spans, plain tables and client files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cpe_manager.cli.connection import write_client_files
from cpe_manager.cli.render import _boxed, fields, span, table, tame, when

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (47 * 3600, "47 h"), (172800, "2 d")],
)
def test_a_span_is_told_in_its_largest_sensible_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_time_carries_its_distance_from_now() -> None:
    assert when(NOW - timedelta(hours=3), NOW).endswith("(3 h ago)")
    assert when(NOW + timedelta(minutes=5), NOW).endswith("(in 5 min)")
    assert when(None) == "never"


def test_a_table_that_is_piped_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "note"), [("r1", "x" * 300), ("longer-name", None), ("r3", "two\nlines")])
    assert capsys.readouterr().out.splitlines() == [
        "NAME         NOTE",
        "r1           " + "x" * 300,
        "longer-name  -",
        "r3           two lines",
    ]


def boxed(capsys: pytest.CaptureFixture[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    identity = "01a2075d47622b7ede173e67047a3a8d"
    _boxed(("job", "device", "created", "error"), [(identity, "z" * 30, NOW, "why " * 20)], "")
    return capsys.readouterr().out


def test_on_a_narrow_terminal_cells_are_folded_and_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = boxed(capsys, 80, monkeypatch)
    assert max(map(len, shown.splitlines())) <= 80
    assert "01a2075d47622b7ede173e67047a3a8d" in shown, "what a row is about can be copied in one piece"
    assert shown.count("z") == 30
    assert shown.count("why") == 20
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert "2026-01-15" not in shown, "the distance of a time takes less room than its date"


def test_on_a_wide_terminal_a_time_has_its_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "2026-01-15" in boxed(capsys, 300, monkeypatch)


def test_an_empty_table_says_so_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name",), [], none="no devices")
    assert capsys.readouterr() == ("NAME\n", "no devices\n")


def test_a_device_s_words_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fields([("last error", "bad\x1b]0;title\x07 \x9b31m\ttext")])
    shown = capsys.readouterr().out
    assert shown.isascii() is False
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    assert tame("tab\tand\nline stay") == "tab\tand\nline stay"


def test_fields_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    fields([("a", 1), ("longer", "")])
    assert capsys.readouterr().out == "a       1\nlonger  -\n"


def test_client_files_are_private_and_another_daemon_s_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    written = write_client_files(tmp_path / "data", "http://127.0.0.1:1", "cpem_a")
    assert [path.stat().st_mode & 0o777 for path in written] == [0o600, 0o600]
    assert written[0].parent == tmp_path / "data"
    again = write_client_files(tmp_path / "other", "http://127.0.0.1:2", "cpem_b")
    assert again == [tmp_path / "other" / "client.toml"]
    assert "cpem_a" in written[1].read_text()
