"""``Templates`` over Jinja2, in a child process for each request.

The daemon holds the sealing keys and every device's log-in; a template is a program that somebody sent. A sandbox in
this process would be one mistake of a library away from them, and a loop in it would stop every session. The child has
an empty environment, no access to this process, and limits on CPU, memory and files that the system enforces.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cpe_manager.domain.errors import InputError
from cpe_manager.ports.templates import Rendered

_CHILD: Final = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class TemplateLimits:
    """``characters`` and ``seconds`` of one rendering; CPU, memory (bytes) and wall time (seconds) of all together."""

    characters: int = 64 * 1024
    seconds: float = 1.0
    cpu_seconds: int = 20
    memory: int = 512 * 1024 * 1024
    wall_seconds: float = 40.0


class JinjaTemplates:
    """One child at a time: a second request waits, so that nobody takes the machine by asking often."""

    def __init__(self, limits: TemplateLimits | None = None) -> None:
        self._limits = limits or TemplateLimits()
        self._turn = asyncio.Lock()

    async def render(self, template: str, sets: Sequence[Mapping[str, Any]]) -> Sequence[Rendered]:
        """As the port says."""
        return await self._rendered(template, sets, html=False)

    async def page(self, template: str, variables: Mapping[str, Any]) -> str:
        """A page of a template of our own; whatever a variable holds is escaped. Raises ``InputError``."""
        (made,) = await self._rendered(template, [variables], html=True)
        if made.text is None:
            raise InputError(made.error or "nothing came of it", file="template", line=made.line)
        return made.text

    async def _rendered(self, template: str, sets: Sequence[Mapping[str, Any]], *, html: bool) -> Sequence[Rendered]:
        request = json.dumps({"template": template, "sets": list(sets), "limits": self._told(), "html": html})
        async with self._turn:
            output = await self._run(request.encode())
        answers = [json.loads(line) for line in output.splitlines()]
        if answers and "fatal" in answers[-1]:
            raise InputError(answers[-1]["fatal"], file="template", line=answers[-1]["line"])
        if len(answers) != len(sets):
            raise InputError("the template takes too long, or too much memory", file="template")
        return [Rendered(answer.get("text"), answer.get("error"), answer.get("line")) for answer in answers]

    def _told(self) -> Mapping[str, float]:
        limits = self._limits
        return {
            "characters": limits.characters,
            "seconds": limits.seconds,
            "cpu_seconds": limits.cpu_seconds,
            "memory": limits.memory,
        }

    async def _run(self, request: bytes) -> bytes:
        """What the child wrote; of one that was ended by its limits, what it had written whole by then."""
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-B", str(_CHILD)),
            stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}, cwd="/",
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                output, _ = await child.communicate(request)
        except TimeoutError:
            return b""
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return output[: output.rfind(b"\n") + 1]
