"""What is made of FRR's answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cpe_manager.adapters.platform import vtysh
from cpe_manager.adapters.platform.vtysh import Prefix, Static
from cpe_manager.domain.errors import CommandRefused, FetchIncomplete
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.platform import EdgeSession
from tests.lab.edge import LINE

PREFIX = vtysh.prefixes(LINE)[0]


def entry(protocol: str, hop: str, distance: int, *, used: bool = False, active: bool = True, **more: object) -> object:
    hops = [{"ip": hop, "active": active, "interfaceName": "x0"}]
    return {"protocol": protocol, "distance": distance, "selected": used, "installed": used, "nexthops": hops, **more}


def found(*entries: object) -> tuple[vtysh.Route, ...]:
    return vtysh.routes({"203.0.113.10/32": list(entries)}, PREFIX)


def test_both_families_are_one_change_in_one_commit() -> None:
    lines = [prefix.route(str(prefix.mobile), Static(1, 77)) for prefix in vtysh.prefixes(LINE)]
    assert vtysh.change(lines, bulk=True).splitlines() == [
        "configure terminal",
        "XFRR_start_configuration",
        "ip route 203.0.113.10/32 10.2.0.2 tag 77 1",
        "ipv6 route 2001:db8:10::/56 fd02::2 tag 77 1",
        "XFRR_end_configuration",
        "end",
    ]


def test_a_route_counts_when_it_is_chosen_and_the_kernel_has_it() -> None:
    mobile, fixed = entry("static", "10.2.0.2", 1, used=True), entry("bgp", "10.1.0.2", 20)
    assert vtysh.carrier(found(mobile, fixed), PREFIX) is Carrier.MOBILE
    assert vtysh.carrier(found(entry("bgp", "10.1.0.2", 20, used=True)), PREFIX) is Carrier.FIXED
    assert vtysh.carrier(found(entry("bgp", "10.9.9.9", 20, used=True)), PREFIX) is None
    assert vtysh.carrier(found(entry("static", "10.2.0.2", 1)), PREFIX) is None
    assert vtysh.carrier(found(entry("static", "10.2.0.2", 1, used=True, queued=True)), PREFIX) is None
    assert vtysh.carrier((), PREFIX) is None


def test_without_a_fixed_next_hop_whatever_is_not_mobile_is_the_line() -> None:
    loose = Prefix(PREFIX.network, PREFIX.mobile, None)
    assert vtysh.carrier(found(entry("bgp", "10.9.9.9", 20, used=True)), loose) is Carrier.FIXED


def test_a_wider_route_is_not_the_lines() -> None:
    assert vtysh.routes({"0.0.0.0/0": [entry("static", "10.2.0.2", 1, used=True)]}, PREFIX) == ()


def test_the_way_back_has_to_be_usable_and_not_ours() -> None:
    mine = entry("static", "10.2.0.2", 1, used=True)
    assert vtysh.way_back(found(mine, entry("bgp", "10.1.0.2", 20)), PREFIX, Static())
    assert not vtysh.way_back(found(mine, entry("bgp", "10.1.0.2", 20, active=False)), PREFIX, Static())
    assert not vtysh.way_back(found(mine), PREFIX, Static())
    assert vtysh.ours(found(mine, entry("static", "10.1.0.2", 10)), Static()) == found(mine)
    assert vtysh.ours(found(mine), Static(tag=5)) == ()


def test_documents_one_after_the_other_are_taken_apart_and_what_is_none_is_told() -> None:
    assert vtysh.documents('{\n "a": 1\n}\n{}\n\n[]') == [{"a": 1}, {}, []]
    with pytest.raises(FetchIncomplete, match="bfdd is not running"):
        vtysh.documents("{}\nbfdd is not running\n")


def test_good_lines_print_nothing_and_a_route_that_is_gone_already_is_good() -> None:
    assert vtysh.complaints("\n% Refusing to remove a non-existent route\n") == ()
    assert vtysh.complaints("% Unknown command: ip rout\n") == ("% Unknown command: ip rout",)
    assert vtysh.knows_no_bulk("% Unknown command: XFRR_start_configuration")


def test_a_neighbour_is_up_when_all_its_sessions_are() -> None:
    bfd = [{"peer": "a", "status": "up"}, {"peer": "b", "status": "up"}, {"peer": "b", "status": "down"}]
    bgp = {
        "ipv4Unicast": {"as": 1, "peers": {"a": {"state": "Established"}, "c": {"state": "Established"}}},
        "ipv6Unicast": {"peers": {"c": {"state": "Idle (Admin)"}}},
    }
    assert vtysh.edge_sessions(vtysh.bfd_sessions(bfd), vtysh.bgp_sessions(bgp)) == {
        "a": EdgeSession(True, True),
        "b": EdgeSession(False, None),
        "c": EdgeSession(None, False),
    }


def test_half_a_line_is_not_moved() -> None:
    with pytest.raises(CommandRefused, match="2001:db8:10::/56 has no next hop over mobile"):
        vtysh.prefixes(replace(LINE, mobile_gateway="10.2.0.2"))
