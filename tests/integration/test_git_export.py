"""The export as git itself sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from cpe_manager.adapters.git_export import MOST_NAMED, GitExport
from cpe_manager.domain.errors import SettingsError, StoreBusy, StoreError
from cpe_manager.ports.export import ExportedFile
from tests.fakes.clock import SimulatedClock

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(repo: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repo), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(repo: Path) -> list[str]:
    return git(repo, "-c", "core.quotepath=off", "ls-tree", "-r", "--name-only", "HEAD").splitlines()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "devices.git"


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def export(repo: Path, clock: SimulatedClock) -> GitExport:
    return GitExport(repo, clock, author="Backup Desk <desk@example.net>")


FILES = [
    ExportedFile("brussels", "bxl-001", "hostname bxl-001\n"),
    ExportedFile("brussels", "bxl-002", "hostname bxl-002\n"),
    ExportedFile(None, "lone", "hostname lone\n"),
]


def test_a_first_export_gives_oxidizeds_layout_in_a_bare_repository(export: GitExport, repo: Path) -> None:
    result = export.export(FILES)
    assert git(repo, "rev-parse", "--is-bare-repository") == "true\n"
    assert listed(repo) == ["brussels/bxl-001", "brussels/bxl-002", "lone"]
    assert git(repo, "show", "HEAD:brussels/bxl-001") == "hostname bxl-001\n"
    assert git(repo, "rev-parse", "master").strip() == result["commit"]
    assert (result["files"], result["added"], result["changed"], result["removed"]) == (3, 3, 0, 0)
    git(repo, "fsck", "--strict", "--full")


def test_an_export_without_a_difference_makes_no_commit_and_no_file(export: GitExport, repo: Path) -> None:
    export.export(FILES)
    before = sorted(path for path in repo.rglob("*") if path.is_file())
    assert export.export(reversed(FILES))["commit"] is None
    assert git(repo, "rev-list", "--count", "HEAD") == "1\n"
    assert sorted(path for path in repo.rglob("*") if path.is_file()) == before


def test_changed_new_and_removed_devices_are_one_commit_that_names_them(
    export: GitExport, repo: Path, clock: SimulatedClock
) -> None:
    export.export(FILES)
    clock.step(timedelta(hours=1))
    new = [ExportedFile("brussels", "bxl-001", "hostname new\n"), FILES[2], ExportedFile("gent", "g-1", "x\n")]
    result = export.export(new)
    assert (result["added"], result["changed"], result["removed"]) == (1, 1, 1)
    assert git(repo, "log", "-1", "--format=%an <%ae>|%cn|%at|%B").rstrip() == (
        f"Backup Desk <desk@example.net>|Backup Desk|{int(clock.now().timestamp())}|1 changed, 1 added, 1 removed\n\n"
        "changed brussels/bxl-001\nadded gent/g-1\nremoved brussels/bxl-002"
    )
    assert git(repo, "diff", "--name-status", "HEAD~1", "HEAD").split() == [
        *("M", "brussels/bxl-001"),
        *("D", "brussels/bxl-002"),
        *("A", "gent/g-1"),
    ]
    git(repo, "fsck", "--strict", "--full")


def test_only_what_changed_is_written(export: GitExport, repo: Path) -> None:
    many = [ExportedFile(f"g{n % 10}", f"cpe-{n:04}", f"hostname cpe-{n:04}\n") for n in range(1000)]
    export.export(many)
    before = _objects(repo)
    many[7] = ExportedFile("g7", "cpe-0007", "hostname changed\n")
    export.export(many)
    assert _objects(repo) - before == 4  # the blob, its group's tree, the root tree, the commit
    git(repo, "fsck", "--strict", "--full")


def test_names_that_git_or_a_file_system_would_not_take_become_safe_and_stay_apart(
    export: GitExport, repo: Path
) -> None:
    hostile = [".git", "..", "a/b", "a_b", "a\\b", "git~1", "", "x\ny", "tail.", "ü" * 150, "name with space"]
    files = [ExportedFile(group, name, f"{name!r}\n") for group in (None, "..", "g") for name in hostile]
    assert export.export(files)["files"] == 3 * len(hostile)
    assert {"a_b", "name with space", "g/a_b"} <= set(listed(repo))
    git(repo, "fsck", "--strict", "--full")
    assert export.export(files)["commit"] is None


def test_a_device_called_like_a_group_is_kept_beside_it(export: GitExport, repo: Path) -> None:
    export.export([ExportedFile("gent", "a", "1\n"), ExportedFile(None, "gent", "2\n")])
    names = listed(repo)
    assert "gent/a" in names
    assert [git(repo, "show", f"HEAD:{name}") for name in names if name.startswith("gent-")] == ["2\n"]
    git(repo, "fsck", "--strict", "--full")


def test_a_first_export_of_many_names_a_bounded_number(export: GitExport, repo: Path) -> None:
    export.export(ExportedFile(None, f"d{n:04}", "x\n") for n in range(MOST_NAMED + 50))
    message = git(repo, "log", "-1", "--format=%B").rstrip().splitlines()
    assert len(message) == MOST_NAMED + 3
    assert message[-1] == "and 50 more"


def test_a_repository_with_a_work_tree_and_history_is_continued_on_its_branch(
    repo: Path, tmp_path: Path, clock: SimulatedClock
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "trunk")
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "file").write_text("x")
    git(work, "add", ".")
    git(work, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "first")
    GitExport(work, clock).export(FILES)
    assert git(work, "rev-list", "--count", "trunk") == "2\n"
    assert listed(work) == ["brussels/bxl-001", "brussels/bxl-002", "lone"]
    git(work, "fsck", "--strict", "--full")


def test_the_export_goes_on_after_gits_own_housekeeping(export: GitExport, repo: Path) -> None:
    export.export(FILES)
    git(repo, "gc", "-q", "--prune=now")
    git(repo, "pack-refs", "--all")
    assert export.export(FILES)["commit"] is None
    assert export.export(FILES[:1])["removed"] == 2
    git(repo, "fsck", "--strict", "--full")


def test_locks_left_by_a_killed_run_are_cleared_and_fresh_ones_respected(
    export: GitExport, repo: Path, clock: SimulatedClock
) -> None:
    export.export(FILES)
    lock = repo / "refs" / "heads" / "master.lock"
    lock.touch()
    os.utime(lock, (clock.now().timestamp(),) * 2)
    with pytest.raises(StoreBusy, match=r"master\.lock"):
        export.export(FILES[:1])
    assert listed(repo) == ["brussels/bxl-001", "brussels/bxl-002", "lone"]
    clock.step(timedelta(minutes=11))
    assert export.export(FILES[:1])["commit"]


def test_a_second_export_at_the_same_time_is_told_to_wait(repo: Path, clock: SimulatedClock) -> None:
    started, finish = threading.Event(), threading.Event()

    def slow() -> object:
        yield FILES[0]
        started.set()
        assert finish.wait(30)

    first = threading.Thread(target=lambda: GitExport(repo, clock).export(slow()))  # type: ignore[arg-type]
    first.start()
    try:
        assert started.wait(30)
        with pytest.raises(StoreBusy, match="another export"):
            GitExport(repo, clock).export(FILES)
    finally:
        finish.set()
        first.join()
    assert listed(repo) == ["brussels/bxl-001"]


def test_a_run_that_breaks_off_leaves_the_last_export_as_it_was(export: GitExport, repo: Path) -> None:
    export.export(FILES)
    head = git(repo, "rev-parse", "HEAD")

    def broken() -> object:
        yield ExportedFile(None, "new", "x\n")
        raise RuntimeError("database gone")

    with pytest.raises(RuntimeError):
        export.export(broken())  # type: ignore[arg-type]
    assert git(repo, "rev-parse", "HEAD") == head
    git(repo, "fsck", "--strict", "--full")


def test_a_damaged_or_foreign_directory_is_told_in_one_line(tmp_path: Path, repo: Path, clock: SimulatedClock) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "file").write_text("x")
    with pytest.raises(StoreError, match="neither empty nor a git repository"):
        GitExport(foreign, clock).export(FILES)
    GitExport(repo, clock).export(FILES)
    for pack in (repo / "objects" / "pack").iterdir():
        pack.chmod(0o600)
        pack.unlink()
    with pytest.raises(StoreError, match="lacks object"):
        GitExport(repo, clock).export(FILES[:1])


def test_an_author_that_git_would_not_take_is_refused(repo: Path, clock: SimulatedClock) -> None:
    for author in ("nobody", "a <b>\n", "<a@b>"):
        with pytest.raises(SettingsError):
            GitExport(repo, clock, author=author)


def _objects(repo: Path) -> int:
    counts = dict(line.split(": ") for line in git(repo, "count-objects", "-v").splitlines())
    return int(counts["count"]) + int(counts["in-pack"])
