"""Debian's own SSH server on the loopback, for the user who runs the test."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from cpe_manager.ports.shell import Credential, Target


@asynccontextmanager
async def openssh_server(folder: Path, *lines: str) -> AsyncIterator[tuple[Target, Credential]]:
    """Debian's sshd on the loopback, for the user who runs the test, with an RSA host key."""
    host_key, login = (asyncssh.generate_private_key("ssh-rsa", key_size=2048) for _ in range(2))
    (folder / "host_key").write_bytes(host_key.export_private_key())
    (folder / "host_key").chmod(0o600)
    (folder / "authorized").write_bytes(login.export_public_key())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = (
        f"HostKey {folder}/host_key", f"AuthorizedKeysFile {folder}/authorized", "StrictModes no", "UsePAM no",
        "ListenAddress 127.0.0.1", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password", "PidFile none", *lines,
    )  # fmt: skip
    (folder / "sshd_config").write_text("\n".join(config) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        "/usr/sbin/sshd", "-D", "-e", "-p", str(port), "-f", str(folder / "sshd_config"),
        stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(20):
            while line := await process.stderr.readline():
                if b"Server listening" in line:
                    break
            else:
                pytest.fail("sshd did not start")
        public = " ".join(host_key.export_public_key().decode().split()[:2])
        credential = Credential(getpass.getuser(), private_key=login.export_private_key().decode())
        yield Target("d1", "box", "127.0.0.1", port, "any", "box", pinned_keys=(public,)), credential
    finally:
        process.terminate()
        await process.communicate()
