"""Addresses read by the C library are those that ``ipaddress`` reads."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cpe_manager.kit.addresses import ipv4
from cpe_manager.kit.attempts import attempt

parts = st.one_of(st.integers(0, 300).map(str), st.text("0123456789 \t.-x", max_size=4), st.just("\u0661"))


@pytest.mark.parametrize("text", ["0.0.0.0", "255.255.255.255", "192.168.7.1"])
def test_addresses_are_read(text: str) -> None:
    assert ipv4(text) == IPv4Address(text)


@given(st.one_of(st.text(max_size=20), st.lists(parts, min_size=3, max_size=5).map(".".join)))
@example("010.0.0.1")
@example("1.2.3")
@example("1.2.3.4\0")
@example("1.2.3.4\n")
@example("\ud800")
@example("0x7f.0.0.1")
def test_whatever_the_text_is_both_say_the_same(text: str) -> None:
    assert ipv4(text) == attempt(IPv4Address, text)
