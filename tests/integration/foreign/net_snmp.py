"""Net-SNMP's own command-line tools, run as an operator runs them: no MIB files, no configuration of the machine's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.device import Device
from simulators.snmp.access import engine_id, login_of

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


@dataclass(frozen=True)
class Said:
    """How a tool ended. lines: what it printed on standard output."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found, f"{name} is not installed: sh scripts/debian-packages.sh snmp"
    return found


def community(device: Device, given: str | None = None) -> list[str]:
    return ["-v2c", "-c", device.spec.secrets.snmp if given is None else given]


def user(device: Device, **other: str) -> list[str]:
    """authPriv with AES; `other` replaces name, auth, priv or protocol."""
    login = login_of(device.spec)
    return [
        *("-v3", "-l", other.get("level", "authPriv"), "-u", other.get("name", login.user)),
        *("-a", other.get("protocol", login.auth_protocol), "-A", other.get("auth", login.auth_password)),
        *("-x", "AES", "-X", other.get("priv", login.priv_password)),
    ]


async def ask(program: str, access: Sequence[str], device: Device, *words: str, wait: float = 3) -> Said:
    """`snmpget`, `snmpwalk`, ... at a box, numbers instead of names; `wait` seconds for an answer, tried twice."""
    options = ["-On", "-m", "", "-t", str(wait), "-r", "1"]
    return await run(program, *options, *access, f"udp:{device.address}:{device.snmp.port}", *words)


async def run(program: str, *arguments: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        tool(program), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=_clean()
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Said(process.returncode or 0, out.decode(), err.decode())


def _clean() -> dict[str, str]:
    # Nothing of the machine's own snmp.conf and no MIB files; what the tools remember is forgotten with the run.
    return {
        **os.environ,
        "SNMPCONFPATH": "/nonexistent",
        "SNMP_PERSISTENT_DIR": f"{tempfile.gettempdir()}/cpe-net-snmp-{os.getpid()}",
        "MIBS": "",
        "LC_ALL": "C",
    }


@dataclass
class Trapd:
    """A running snmptrapd and what it has logged."""

    port: int
    log: Path

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    async def wait_for(self, *texts: str) -> str:
        """The log once all of `texts` are in it."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not all(text in self.text() for text in texts):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"snmptrapd never logged {texts!r}: {self.text()!r}") from None
        return self.text()


def free_udp_port() -> int:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def snmptrapd(home: Path, device: Device) -> AsyncIterator[Trapd]:
    """A snmptrapd that knows the box's community and its user: as the sender of traps (the box is then the authority)
    and as the sender of informs (snmptrapd itself is)."""
    login = login_of(device.spec)
    keys = f"{login.user} {login.auth_protocol} {login.auth_password} AES {login.priv_password}"
    conf = home / "snmptrapd.conf"
    conf.write_text(
        f"authCommunity log {device.spec.secrets.snmp}\n"
        f"createUser -e 0x{engine_id(device.spec).hex()} {keys}\n"
        f"createUser {keys}\n"
        f"authUser log {login.user} priv\n",
        encoding="utf-8",
    )
    conf.chmod(0o600)
    trapd = Trapd(free_udp_port(), home / "traps.log")
    process = await asyncio.create_subprocess_exec(
        tool("snmptrapd"), "-f", "-C", "-c", str(conf), "-On", "-m", "", "-n", "-t", "-Lf", str(trapd.log),
        "-F", "TRAP %b %P %v\\n", "--agentXSocket=/nonexistent",
        f"udp:127.0.0.1:{trapd.port}",
        stdin=asyncio.subprocess.DEVNULL, env=_clean(), cwd=home,
    )  # fmt: skip
    try:
        await trapd.wait_for("NET-SNMP version")
        yield trapd
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass(frozen=True)
class Agent:
    """A running snmpd of Debian's."""

    port: int


@contextlib.asynccontextmanager
async def snmpd(home: Path, *lines: str) -> AsyncIterator[Agent]:
    """Net-SNMP's own agent with `lines` as its whole configuration; up when it answers the community `probe`."""
    conf, log = home / "snmpd.conf", home / "snmpd.log"
    agent = Agent(free_udp_port())
    conf.write_text("\n".join(("rocommunity probe", *lines, "")), encoding="utf-8")
    conf.chmod(0o600)
    environment = {**_clean(), "SNMP_PERSISTENT_DIR": str(home)}
    process = await asyncio.create_subprocess_exec(
        tool("snmpd"), "-f", "-C", "-c", str(conf), "-Lf", str(log), "-x", str(home / "agentx"), "-r",
        f"udp:127.0.0.1:{agent.port}",
        stdin=asyncio.subprocess.DEVNULL, env=environment, cwd=home,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            while (await run("snmpget", "-v2c", "-c", "probe", "-On", "-m", "", "-t", "0.3", "-r", "0",
                             f"udp:127.0.0.1:{agent.port}", ".1.3.6.1.2.1.1.3.0")).status:  # fmt: skip
                assert process.returncode is None, log.read_text(encoding="utf-8")
        yield agent
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
