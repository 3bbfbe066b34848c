"""What a device offers in its key exchange, for the message when there is nothing in common."""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.adapters.ssh.algorithms import Algorithms
from cpe_manager.domain.errors import LegacyCryptoNeeded, NegotiationFailed

_KEXINIT: Final = 20
_COOKIE_END: Final = 17
# What RFC 4251 §6 allows in a name, and no more: a message must not carry whatever a box sends.
_NAME: Final = re.compile(rb"[!-+\--~]{1,64}")
_MOST_SHOWN: Final = 12


def read_offer(payload: bytes) -> Algorithms | None:
    """A ``SSH_MSG_KEXINIT`` (RFC 4253 §7.1), as far as it is of interest; None when it is damaged.

    Of the two directions the one from us to the device is read: no box is known that differs in them.
    """
    if len(payload) <= _COOKIE_END or payload[0] != _KEXINIT:
        return None
    lists: list[tuple[str, ...]] = []
    at = _COOKIE_END
    for _ in range(6):
        size = int.from_bytes(payload[at : at + 4], "big")
        end = at + 4 + size
        if at + 4 > len(payload) or end > len(payload):
            return None
        names = payload[at + 4 : end].split(b",")
        lists.append(tuple(name.decode() for name in names if _NAME.fullmatch(name)))
        at = end
    return Algorithms(key_exchange=lists[0], host_keys=lists[1], ciphers=lists[2], macs=lists[4])


def lacking(offer: Algorithms, ours: Algorithms) -> dict[str, tuple[str, ...]]:
    """The kinds in which nothing is in common, with what the device offers there.

    A cipher that authenticates by itself (GCM, ChaCha20) needs no MAC.
    """
    missing = {
        kind: theirs
        for (kind, mine), (_, theirs) in zip(ours.kinds(), offer.kinds(), strict=True)
        if not set(mine) & set(theirs)
    }
    common = [name for name in ours.ciphers if name in offer.ciphers]
    if "MAC" in missing and common and ("gcm" in common[0] or "poly1305" in common[0]):
        del missing["MAC"]
    return missing


def nothing_in_common(
    offer: Algorithms, ours: Algorithms, place: str, more: Algorithms | None
) -> NegotiationFailed | None:
    """The error that tells what the device offers; None when there was an algorithm of every kind.

    ``more`` is what ``legacy_crypto`` would add; None when it is on already.
    """
    missing = lacking(offer, ours)
    if not missing:
        return None
    offers = "; ".join(f"{kind}: {_shown(names)}" for kind, names in missing.items())
    if more is None or lacking(offer, more):
        return NegotiationFailed(f"{place}: no algorithm in common; the device offers {offers}")
    return LegacyCryptoNeeded(
        f"{place}: the device offers old algorithms alone ({offers}), which are insecure; "
        "legacy_crypto=yes on this device would accept them"
    )


def _shown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return (", ".join(names[:_MOST_SHOWN]) or "nothing") + more
