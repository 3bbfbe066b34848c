"""RANCID as an operator sets it up: a group, a router.db, a .cloginrc, git as its archive, and a run of it.

The real programs of the Debian package, with directories of their own; where the tests run as root they run as
nobody, since RANCID refuses to be root, and its package makes its own user only for whoever answers its questions.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulators.device import Device

PROGRAMS = Path("/usr/lib/rancid/bin")
GROUP = "cpes"
_NOBODY = "nobody"
_CONF = """\
TERM=network; export TERM
LC_COLLATE=POSIX; export LC_COLLATE
umask 027
PERL5LIB=/usr/share/perl5/rancid; export PERL5LIB
TMPDIR={home}/tmp; export TMPDIR
BASEDIR={home}; export BASEDIR
PATH={programs}:/usr/bin:/usr/sbin:/bin; export PATH
SENDMAIL={home}/sendmail; export SENDMAIL
CVSROOT={home}/git; export CVSROOT
LOGDIR={home}/logs; export LOGDIR
RCSSYS=git; export RCSSYS
FILTER_PWDS=NO; export FILTER_PWDS
NOCOMMSTR=NO; export NOCOMMSTR
MAX_ROUNDS=1; export MAX_ROUNDS
PAR_COUNT=5; export PAR_COUNT
LIST_OF_GROUPS={group}
"""
_SENDMAIL = "#!/bin/sh\ncat >>{home}/mail\n"


@dataclass(frozen=True)
class Rancid:
    """One installation. ``user`` is None when the tests do not run as root."""

    home: Path
    user: str | None

    def run(self, program: str, *args: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run one of RANCID's programs as its user, with what its configuration file says."""
        name = self.user or pwd.getpwuid(os.getuid()).pw_name
        env = {"HOME": str(self.home), "USER": name, "LOGNAME": name, "TERM": "network", "LANG": "C.UTF-8"}
        script = f'. {self.home}/rancid.conf; exec "$0" "$@"'
        return subprocess.run(
            ["sh", "-c", script, str(PROGRAMS / program), *args], env=env, user=self.user,
            extra_groups=[] if self.user else None, cwd=self.home, capture_output=True, text=True, timeout=timeout,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def knows(self, *boxes: Device, enable: str | None = None) -> None:
        """Write .cloginrc and router.db for boxes; ``enable`` in place of their own enable password."""
        # ssh goes by the home directory in the password file, and nobody has none.
        lines = [f"add sshcmd * {{ssh\\ -F\\ none\\ -o\\ UserKnownHostsFile={self.home}/known_hosts}}"]
        for box in boxes:
            secrets = box.spec.secrets
            lines += [
                f"add user {box.address} {{{box.spec.username}}}",
                f"add password {box.address} {{{secrets.login}}} {{{enable or secrets.enable}}}",
                f"add method {box.address} {{ssh:{box.port}}}",
            ]
        self._private(self.home / ".cloginrc", "\n".join(lines) + "\n")
        listed = self.home / GROUP / "router.db"
        if listed.parent.exists():
            self._private(listed, "".join(f"{box.address};cisco;up\n" for box in boxes))

    def collected(self, box: Device) -> str:
        """What RANCID keeps of a box now."""
        return (self.home / GROUP / "configs" / box.address).read_text()

    def history(self, box: Device) -> list[str]:
        """The versions that are in RANCID's git, the newest first."""
        git = ["git", "-c", "safe.directory=*", "-C", str(self.home / GROUP)]
        path = f"configs/{box.address}"
        ids = subprocess.run([*git, "log", "--format=%H", "--", path], capture_output=True, text=True, check=True)
        shown = (
            subprocess.run([*git, "show", f"{one}:./{path}"], capture_output=True, text=True, check=True).stdout
            for one in ids.stdout.split()
        )
        return [text for text in shown if text]

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted((self.home / "logs").glob("*")))

    def _private(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        if self.user:
            shutil.chown(path, self.user)


@contextmanager
def installed() -> Iterator[Rancid]:
    """RANCID with an empty archive. Not below pytest's directories: another user could not enter them."""
    user = _NOBODY if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="rancid-") as folder:
        home = Path(folder)
        for name in ("tmp", "logs"):
            (home / name).mkdir()
        (home / "rancid.conf").write_text(_CONF.format(home=home, programs=PROGRAMS, group=GROUP))
        (home / "sendmail").write_text(_SENDMAIL.format(home=home))
        (home / "sendmail").chmod(0o755)
        (home / ".gitconfig").write_text("[user]\n\tname = RANCID\n\temail = rancid@example.invalid\n")
        if user:
            for path in (home, *home.iterdir()):
                shutil.chown(path, user)
        made = Rancid(home, user)
        done = made.run("rancid-cvs", "-f", str(home / "rancid.conf"))
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
