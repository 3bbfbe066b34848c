"""Change requests by the dozen while the daemon is killed: each is executed exactly once, in order per device.

``benchmarks/changes.py`` does the same with a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import changes_scene
from tests.e2e.world import world


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_requests_sent_twice_are_each_executed_once_though_the_daemon_is_killed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with world(tmp_path) as w:
        changes_scene.prepare(w, devices=12)
        played = await changes_scene.play(w, count=36, kills=3)
        figures = changes_scene.told(played)
        record_property("figures", figures)
        assert figures["wrong"] == []
        assert figures["executed"] == 36
        assert figures["sent"] > 36
