"""What is there to stay is set aside, and only when there is much more of it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from cpe_manager.runtime.heap import Heap
from tests.fakes.clock import SimulatedClock


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_a_heap_that_has_grown_is_set_aside_once() -> None:
    heap = Heap(SimulatedClock())
    assert heap.look()
    assert gc.get_freeze_count() > 1000
    assert not heap.look()
    frozen = gc.get_freeze_count()
    kept = [[number] for number in range(2_000_000)]
    assert heap.look()
    assert gc.get_freeze_count() >= frozen + len(kept)
    del kept
    # Nobody holds them: they are freed although they were set aside.
    assert gc.get_freeze_count() < frozen + 1_000_000
