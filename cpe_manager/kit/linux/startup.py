"""What a Linux router would come up with, in the form in which it is read."""

from __future__ import annotations

from cpe_manager.kit.linux import file_bundle


def as_read(running: str, frr: str, saved: str) -> str:
    """The bundle with FRR's file in the place of what FRR runs; ``frr`` is that section's heading. ``running`` itself
    where both mean the same: the file has other separators between blocks."""
    parts = file_bundle.sections(running)
    if _meaning(saved) == _meaning(parts[frr]):
        return running
    lines = "".join(f"{line}\n" for line in saved.splitlines()).removeprefix("!\n").removesuffix("end\n")
    told = {**parts, frr: f"!\n{lines}end\n"}
    return file_bundle.joined((path, body) for path, body in told.items() if path)


def _meaning(text: str) -> list[str]:
    """FRR's lines but for those that only part blocks."""
    return [line.rstrip() for line in text.splitlines() if line.strip() not in ("", "!", "end")]
