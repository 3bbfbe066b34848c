"""BER without a schema reads what pysnmp writes, writes what pysnmp reads, and is at a loss for nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from cpe_manager.adapters.snmp import messages
from cpe_manager.kit import ber
from cpe_manager.ports.snmp import Assignment

patient = settings(max_examples=50, deadline=None, suppress_health_check=(HealthCheck.too_slow,))
arcs = st.lists(st.integers(0, 2**32 - 1), max_size=8)
names = st.one_of(
    st.builds(lambda first, second, rest: (first, second, *rest), st.integers(0, 1), st.integers(0, 39), arcs),
    st.builds(lambda second, rest: (2, second, *rest), st.integers(0, 999), arcs),
)
dotted = names.map(lambda arcs: ".".join(map(str, arcs)))
addresses = st.tuples(*[st.integers(0, 255)] * 4).map(lambda octets: ".".join(map(str, octets)))
KINDS = {
    v2c.Integer32: st.integers(-(2**31), 2**31 - 1),
    v2c.Counter32: st.integers(0, 2**32 - 1),
    v2c.Gauge32: st.integers(0, 2**32 - 1),
    v2c.Counter64: st.integers(0, 2**64 - 1),
    v2c.OctetString: st.binary(max_size=150),
    v2c.ObjectIdentifier: dotted,
    v2c.IpAddress: addresses,
}
values = st.one_of(*(st.tuples(st.just(kind), plain) for kind, plain in KINDS.items()))


def trap(pairs, community=b"c", number=7):
    pdu = v2c.SNMPv2TrapPDU()
    v2c.apiPDU.set_defaults(pdu)
    v2c.apiPDU.set_request_id(pdu, number)
    v2c.apiPDU.set_varbinds(pdu, [(v2c.ObjectIdentifier(name), value) for name, value in pairs])
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, community)
    v2c.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


@patient
@given(st.lists(st.tuples(names, values), max_size=4), st.binary(max_size=40), st.integers(0, 2**31 - 1))
def test_a_trap_that_pysnmp_wrote_is_read_as_it_was_meant(pairs, community, number):
    data = trap([(name, kind(plain)) for name, (kind, plain) in pairs], community, number)
    version, place, end = messages.version_of(data)
    got, pdu = messages.read_v2c(data, place, end)
    assert (version, got, pdu.kind, pdu.number) == (messages.V2C, community, messages.TRAP, number)
    assert list(pdu.values) == [(".".join(map(str, name)), plain) for name, (_, plain) in pairs]


@patient
@given(names, st.one_of(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=150)), st.binary(max_size=40))
def test_a_set_is_read_by_pysnmp_as_it_was_meant(name, value, community):
    text = ".".join(map(str, name))
    wanted = Assignment(text, "integer" if isinstance(value, int) else "string", value)
    sent = messages.v2c(community, messages.pdu(messages.SET, 99, messages.assignments([wanted])))
    message, rest = decoder.decode(sent, asn1Spec=v2c.Message())
    pdu = v2c.apiMessage.get_pdu(message)
    assert rest == b""
    assert bytes(v2c.apiMessage.get_community(message)) == community
    assert pdu.isSameTypeWith(v2c.SetRequestPDU(), matchConstraints=False)
    assert v2c.apiPDU.get_request_id(pdu) == 99
    [(got_name, got)] = v2c.apiPDU.get_varbinds(pdu)
    assert tuple(got_name) == name
    assert (int(got) if isinstance(value, int) else bytes(got)) == value


@patient
@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(data):
    for read in (messages.version_of, messages.read_scoped):
        try:
            read(data)
        except ValueError:
            continue


@patient
@given(st.data())
def test_a_damaged_trap_is_read_or_refused(data):
    whole = trap([((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0), v2c.ObjectIdentifier((1, 3, 6))), ((1, 3), v2c.Integer32(4))])
    place, octet = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    damaged = whole[:place] + bytes((octet,)) + whole[place + data.draw(st.integers(0, 3)) :]
    try:
        _, at, end = messages.version_of(damaged)
        messages.read_v2c(damaged, at, end)
    except ValueError:
        pass


@patient
@given(st.integers(-(2**63), 2**64 - 1))
def test_a_number_takes_as_few_octets_as_hold_it(number):
    written = ber.integer(number)
    body = written[2:]
    assert int.from_bytes(body, "big", signed=True) == number
    assert len(body) == 1 or body[:2] not in {bytes((0, octet)) for octet in range(128)}


@pytest.mark.parametrize("text", ["", "1", "3.1", "1.40", "1.3.-6", "1.3.x", f"1.3.{2**32}"])
def test_what_is_no_object_identifier_is_refused(text):
    with pytest.raises(ValueError):
        ber.identifier(text)


def test_a_trap_with_endless_bindings_is_refused():
    data = trap([((1, 3), v2c.Integer32(1))] * 501)
    _, place, end = messages.version_of(data)
    with pytest.raises(ValueError, match="too many"):
        messages.read_v2c(data, place, end)
