"""Voice stays off mobile when traffic is moved there (§7.6)."""

from __future__ import annotations

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.failover.voice_barrier import barred_of, joined, to_mobile
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile, Ports

ALL = frozenset(Feature)
VOICE = barred_of(Barrier())


def box(*barred: Barred) -> CpeConfig:
    return CpeConfig("r1", mobile=Mobile("internet.example", barred=barred))


def test_sip_and_rtp_are_barred_as_the_installation_says() -> None:
    assert (
        Barred("tcp", Ports(5060, 5061)), Barred("udp", Ports(5060, 5061)), Barred("udp", Ports(10000, 20000)),
    ) == VOICE  # fmt: skip
    assert barred_of(Barrier("", "")) == ()
    assert barred_of(Barrier("5060", "")) == (Barred("tcp", Ports.one(5060)), Barred("udp", Ports.one(5060)))
    with pytest.raises(InputError, match="no range"):
        barred_of(Barrier("voice", ""))


def test_what_overlaps_or_touches_is_one_range() -> None:
    ports = [Ports(16384, 32767), Ports(10000, 20000), Ports(5060, 5061), Ports(5062, 5062)]
    assert joined(Barred("udp", one) for one in ports) == (
        Barred("udp", Ports(5060, 5062)), Barred("udp", Ports(10000, 32767)),
    )  # fmt: skip


def test_the_change_bars_what_is_not_barred_yet_and_keeps_what_is() -> None:
    own = Barred("udp", Ports(16384, 32767))
    after = changed(box(own), to_mobile(box(own), ALL, Barrier()))
    assert after.mobile is not None
    assert after.mobile.preferred
    assert after.mobile.barred == joined((*VOICE, own))


def test_nothing_but_the_route_is_moved_where_voice_is_barred_or_cannot_be() -> None:
    alone = {"mobile": {"preferred": True}}
    assert to_mobile(box(*VOICE), ALL, Barrier()) == alone
    assert to_mobile(box(), ALL - {Feature.MOBILE_BARRED}, Barrier()) == alone
    assert to_mobile(box(), ALL, Barrier("", "")) == alone
    assert to_mobile(None, ALL, Barrier()) == alone
    assert to_mobile(CpeConfig("r1"), ALL, Barrier()) == alone
