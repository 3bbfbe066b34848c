"""zstd for single objects, with a bound on what comes out."""

from __future__ import annotations

import threading
from typing import Final

import zstandard

from cpe_manager.domain.errors import SealBroken

LEVEL: Final = 3
LARGEST: Final = 64 * 1024 * 1024
"""Bytes. Far above any configuration, far below what would hurt the process."""


class _Contexts(threading.local):
    """Making a context costs more than compressing 8 KB; one must not be used by two threads at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


class Compression:
    """Compresses to one zstd frame that states its content size, and back."""

    def __init__(self) -> None:
        self._contexts = _Contexts()

    def compress(self, data: bytes) -> bytes:
        return self._contexts.compressor.compress(data)

    def decompress(self, data: bytes) -> bytes:
        """Raises ``SealBroken`` for anything but one whole frame of at most ``LARGEST`` bytes of content."""
        try:
            # The library ignores its own output limit when the frame states a size, so the stated size is checked.
            size = zstandard.frame_content_size(data)
            if not 0 <= size <= LARGEST:
                raise SealBroken(f"compressed object states {size} bytes of content")
            return self._contexts.decompressor.decompress(data, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise SealBroken(f"compressed object is damaged: {error}") from error
