"""The redacted views as a bare git repository in Oxidized's layout: ``group/name``, or ``name`` without a group.

One commit for each run that finds a difference. Contents are compared by blob id with the tree of HEAD, so a run over
10,000 files of which ten changed hashes all and writes ten. Each run writes a pack and moves the branch last, so a kill
at any point leaves the previous export. ``git gc`` may be run by whoever likes to.

The repository belongs to the export: files of others on its branch are removed by the next run. A repository with a
work tree is accepted, its work tree is not touched.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from dulwich import errors as git_errors
from dulwich.file import FileLocked
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree
from dulwich.refs import HEADREF, SymrefLoop
from dulwich.repo import Repo

from cpe_manager.domain.errors import Conflict, SettingsError, StoreBusy, StoreError, StoreFull
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.export import ExportedFile

FILE_MODE: Final = 0o100644
TREE_MODE: Final = 0o040000
MOST_NAMED: Final = 200
"""Devices named in a commit message; a first export of a fleet would fill megabytes."""
_FLUSH_BYTES: Final = 32 * 1024 * 1024
_STALE_LOCK: Final = timedelta(minutes=10)
_AUTHOR: Final = re.compile(r"[^<>\n\0]+ <[^<>\n\0]*>")
_UNSAFE: Final = re.compile(r"^\.|[\x00-\x1f\x7f/\\:~]|[. ]$")
_DAMAGED: Final = (
    git_errors.ChecksumMismatch,
    git_errors.WrongObjectException,
    git_errors.MissingCommitError,
    git_errors.ObjectMissing,
    git_errors.ApplyDeltaError,
    git_errors.FileFormatException,
    git_errors.RefFormatError,
    git_errors.NotGitRepository,
    SymrefLoop,
    zlib.error,
)
Entry = tuple[int, ObjectID]
Level = dict[bytes, Entry]


@dataclass(slots=True)
class Snapshot:
    """A tree two levels deep: entries by group (``b""`` is the root), and the ids of the groups' own trees."""

    groups: dict[bytes, Level] = field(default_factory=dict)
    tree_ids: dict[bytes, ObjectID] = field(default_factory=dict)

    def flat(self) -> dict[str, ObjectID]:
        """Blob id by path."""
        return {
            (b"/".join((group, name)) if group else name).decode(errors="replace"): oid
            for group, level in self.groups.items()
            for name, (_mode, oid) in level.items()
        }


class GitExport:
    """``ports.export.Exporter`` over one repository, made at the first run. Blocking: call it in a thread."""

    def __init__(
        self, path: Path, clock: Clock, *, author: str = "cpe-manager <cpe-manager@localhost>", branch: str = "master"
    ) -> None:
        if not _AUTHOR.fullmatch(author):
            raise SettingsError(f"git author {author!r} is not of the form: Name <address>")
        self._path, self._clock, self._author, self._branch = path, clock, author.encode(), branch.encode()

    def export(self, files: Iterable[ExportedFile]) -> Mapping[str, Any]:
        """Make the newest commit hold exactly ``files``. Gives ``commit`` (None: nothing to do), counts of files.

        Raises ``StoreFull``, ``StoreBusy`` when another export runs or the branch is locked, ``Conflict`` when somebody
        else moved the branch meanwhile, else ``StoreError``. Until the branch moves, nobody sees anything of it.
        """
        with self._mapped():
            self._create_if_missing()
            with Repo(str(self._path)) as repo, _only_one(Path(repo.controldir())):
                _clear_stale_locks(Path(repo.commondir()), self._clock.now())
                return self._export(repo, files)

    def _export(self, repo: Repo, files: Iterable[ExportedFile]) -> Mapping[str, Any]:
        head = _head(repo)
        old = _read(repo, head)
        writer = _PackWriter(repo)
        new = _place(files, writer, known={oid for level in old.groups.values() for _mode, oid in level.values()})
        before, after = old.flat(), new.flat()
        added, removed = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
        changed = sorted(path for path in after.keys() & before.keys() if after[path] != before[path])
        summary = {"files": len(after), "added": len(added), "changed": len(changed), "removed": len(removed)}
        if old.groups == new.groups:
            return {"commit": None, **summary}
        tree = _write_trees(old, new, writer)
        commit = self._commit(tree, head, _message(added, changed, removed))
        writer.add(commit)
        writer.flush()
        if not _compare_and_swap(repo, head, commit.id):
            raise Conflict(f"somebody else committed to {self._path} during the export")
        return {"commit": commit.id.decode(), **summary}

    def _commit(self, tree: ObjectID, parent: ObjectID | None, message: str) -> Commit:
        commit = Commit()
        commit.tree, commit.parents = tree, [parent] if parent else []
        commit.author = commit.committer = self._author
        commit.author_time = commit.commit_time = int(self._clock.now().timestamp())
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding, commit.message = b"UTF-8", message.encode()
        return commit

    def _create_if_missing(self) -> None:
        if self._path.exists() and (not self._path.is_dir() or any(self._path.iterdir())):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Made aside and renamed: half a repository would never be one again.
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.tmp")
        try:
            Repo.init_bare(str(aside), mkdir=True, default_branch=self._branch).close()
            aside.rename(self._path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except FileLocked as error:
            raise StoreBusy(f"git export: {os.fsdecode(error.lockfilename)} is held by somebody") from error
        except git_errors.NotGitRepository as error:
            raise StoreError(f"git export: {self._path} is neither empty nor a git repository") from error
        except _DAMAGED as error:
            raise StoreError(f"git export: repository {self._path} is damaged: {error}") from error
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            reason = error.strerror or str(error)
            raise (StoreFull if full else StoreError)(f"git export to {self._path}: {reason}") from error


class _PackWriter:
    """Collects new objects and writes them as packs of bounded size, each on the disk before the next begins."""

    def __init__(self, repo: Repo) -> None:
        store = repo.object_store
        if isinstance(store, DiskObjectStore):
            store.fsync_object_files = True
        self._store = store
        self._objects: dict[ObjectID, ShaFile] = {}
        self._bytes = 0

    def add(self, thing: ShaFile) -> None:
        self._objects[thing.id] = thing
        self._bytes += thing.raw_length()
        if self._bytes >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._objects:
            self._store.add_objects([(thing, None) for thing in self._objects.values()])
        self._objects.clear()
        self._bytes = 0


def safe_name(name: str) -> bytes:
    """``name`` as one path component for git and every file system; a name that had to change gets a hash of itself."""
    cleaned = _UNSAFE.sub("_", name)
    while len(cleaned.encode()) > 200:
        cleaned = cleaned[:-1]
    return (cleaned if cleaned == name and name else f"{cleaned}-{_short_hash(name)}").encode()


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _place(files: Iterable[ExportedFile], writer: _PackWriter, *, known: set[ObjectID]) -> Snapshot:
    snapshot = Snapshot({b"": {}})
    loose: dict[str, Entry] = {}
    for file in files:
        content = file.text.encode()
        oid = ObjectID(hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest().encode())
        if oid not in known:
            writer.add(Blob.from_string(content))
            known.add(oid)
        if file.group:
            snapshot.groups.setdefault(safe_name(file.group), {})[safe_name(file.name)] = (FILE_MODE, oid)
        else:
            loose[file.name] = (FILE_MODE, oid)
    for name, entry in loose.items():
        # A device may be called like a group; one path cannot be file and folder.
        path = safe_name(name)
        taken = path in snapshot.groups
        snapshot.groups[b""][path + f"-{_short_hash(name)}".encode() if taken else path] = entry
    return snapshot


def _head(repo: Repo) -> ObjectID | None:
    try:
        return repo.head()
    except KeyError:
        return None


def _read(repo: Repo, head: ObjectID | None) -> Snapshot:
    """The tree of ``head``; what lies deeper than a group is an entry like any other, and goes."""
    snapshot = Snapshot({b"": {}})
    if head is None:
        return snapshot
    try:
        commit = repo[head]
        if not isinstance(commit, Commit):
            raise StoreError(f"git export: HEAD of {repo.path} is not a commit")
        for name, mode, oid in _tree(repo, commit.tree):
            if mode == TREE_MODE:
                snapshot.tree_ids[name] = oid
                snapshot.groups[name] = {leaf: (kind, blob) for leaf, kind, blob in _tree(repo, oid)}
            else:
                snapshot.groups[b""][name] = (mode, oid)
    except KeyError as error:
        raise StoreError(f"git export: repository {repo.path} lacks object {error}") from error
    return snapshot


def _tree(repo: Repo, oid: ObjectID) -> Iterator[tuple[bytes, int, ObjectID]]:
    tree = repo[oid]
    if not isinstance(tree, Tree):
        raise StoreError(f"git export: object {oid.decode()} of {repo.path} is not a tree")
    for item in tree.iteritems():
        yield item.path, item.mode, item.sha


def _write_trees(old: Snapshot, new: Snapshot, writer: _PackWriter) -> ObjectID:
    """Id of the new root tree; groups without a change keep their tree."""
    root = dict(new.groups[b""])
    for group, level in new.groups.items():
        if not group:
            continue
        if level == old.groups.get(group):
            root[group] = (TREE_MODE, old.tree_ids[group])
        else:
            root[group] = (TREE_MODE, _write_tree(level, writer))
    return _write_tree(root, writer)


def _write_tree(level: Level, writer: _PackWriter) -> ObjectID:
    tree = Tree()
    for name, (mode, oid) in level.items():
        tree.add(name, mode, oid)
    writer.add(tree)
    return tree.id


def _message(added: list[str], changed: list[str], removed: list[str]) -> str:
    subject = f"{len(changed)} changed, {len(added)} added, {len(removed)} removed"
    lines = [f"{word} {path}" for word, paths in _words(added, changed, removed) for path in paths]
    more = [f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return "\n".join([subject, "", *lines[:MOST_NAMED], *more]) + "\n"


def _words(added: list[str], changed: list[str], removed: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("changed", changed), ("added", added), ("removed", removed)


def _compare_and_swap(repo: Repo, old: ObjectID | None, new: ObjectID) -> bool:
    return repo.refs.set_if_equals(HEADREF, old, new) if old else repo.refs.add_if_new(HEADREF, new)


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / "cpe-manager.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreBusy(f"another export to {directory} is running") from error
        yield
    finally:
        os.close(descriptor)


def _clear_stale_locks(directory: Path, now: datetime) -> None:
    """Take away git's lock files that a killed export left; exports exclude each other by a lock of their own."""
    for lock in (*(directory / "refs").rglob("*.lock"), *(directory / "objects" / "pack").glob("*.lock")):
        if now.timestamp() - lock.stat().st_mtime > _STALE_LOCK.total_seconds():
            lock.unlink()
