"""Next hops as an operator writes them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.next_hops import NextHop, NextHops, next_hops


def test_one_of_each_family_at_most_with_its_interface_where_it_needs_one() -> None:
    assert next_hops("") == NextHops()
    assert next_hops("10.2.0.2") == NextHops(NextHop(IPv4Address("10.2.0.2")))
    assert next_hops("fe80::1%mob0 , 10.2.0.2") == NextHops(
        NextHop(IPv4Address("10.2.0.2")), NextHop(IPv6Address("fe80::1"), "mob0")
    )
    assert str(next_hops("fe80::1%mob0").ipv6) == "fe80::1 mob0"


@pytest.mark.parametrize(
    "text",
    ["10.2.0.2, 10.2.0.3", "gent", "10.2.0.2%no such", "fe80::1", "0.0.0.0", "224.0.0.1", "10.2.0.2%;reboot", "::"],
)
def test_what_is_no_next_hop_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        next_hops(text)
