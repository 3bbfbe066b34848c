"""What the faults on configuration output do to the text before it is sent."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from simulators.faults.active import ActiveFaults
from simulators.faults.kinds import Empty, ErrorReply, ForeignConfig, Garbage, Shrunk, SyslogNoise, Truncate
from simulators.personas.base import Persona, Reply
from simulators.spec import DeviceSpec
from simulators.state import DeviceState, new_state

# Bytes that are neither text nor valid UTF-8; they travel through str as surrogate escapes.
_JUNK = bytes([0xFF, 0x00, 0xC3, 0x28, 0x1B, 0x9D, 0x07, 0xFE]).decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which box is answering, and to what."""

    persona: Persona
    state: DeviceState
    command: str


def offset_of(at: float, length: int) -> int:
    """Turn a fault's `at` (share below 1, else offset) into an offset within `length`, for a non-empty output
    always short of its end, so that the fault is never without effect."""
    wanted = int(at * length) if at < 1 else int(at)
    return max(0, min(wanted, length - 1))


def mangle(reply: Reply, faults: ActiveFaults, origin: Origin) -> Reply:
    """Apply the text faults to a reply that carries a configuration; each one that strikes is used up once."""
    if not faults or not reply.config:
        return reply
    if faults.take(ErrorReply):
        refusal = origin.persona.refusal(origin.command)
        return dataclasses.replace(refusal, lead=reply.lead, trail=reply.trail)
    if faults.take(Empty):
        return dataclasses.replace(reply, text="")
    text = reply.text
    if foreign := faults.take(ForeignConfig):
        text = _foreign(origin, foreign.hostname)
    if faults.take(Shrunk):
        text = origin.persona.shrink(text)
    if truncate := faults.take(Truncate):
        text = _truncate(text, truncate)
    if noise := faults.take(SyslogNoise):
        text = _with_noise(text, noise, origin.persona.traits.noise)
    if garbage := faults.take(Garbage):
        position = offset_of(garbage.at, len(text))
        text = text[:position] + (_JUNK * garbage.size)[: garbage.size] + text[position:]
    return dataclasses.replace(reply, text=text)


def _foreign(origin: Origin, hostname: str) -> str:
    spec: DeviceSpec = dataclasses.replace(origin.state.spec, name=hostname, seed=origin.state.spec.seed + 1)
    return origin.persona.running_text(new_state(spec, origin.persona.factory_config(spec), origin.state.clock))


def _truncate(text: str, fault: Truncate) -> str:
    if fault.unit == "bytes":
        kept = text[: offset_of(fault.at, len(text))]
        return kept + "\n" if not kept.endswith("\n") else kept
    lines = text.rstrip("\n").splitlines(keepends=True)
    cut = offset_of(fault.at, len(lines))
    kept = "".join(lines[:cut] + (lines[-1:] if fault.keep_end else []))
    return kept if kept.endswith("\n") else kept + "\n"


def _with_noise(text: str, fault: SyslogNoise, message: str) -> str:
    position = offset_of(fault.at, len(text))
    if fault.mid_line:
        return f"{text[:position]}\n{message}\n{text[position:]}"
    line_end = text.find("\n", position) + 1
    return f"{text[:line_end]}{message}\n{text[line_end:]}"
