"""Sends many different linkDown traps to a port: `python burst.py PORT COUNT PER_SECOND COMMUNITY`. A process of its
own, so that the receiver has its core to itself."""

from __future__ import annotations

import socket
import sys
import time

from pyasn1.codec.ber import encoder
from pysnmp.proto.api import v2c

NUMBER = "1.3.6.1.4.1.8072.9999.9999.1"
_MARK = b"\xfe\xff\xfe\xff"


def template(community: str) -> bytes:
    """A trap whose last binding holds the mark: encoding each with pysnmp would take ten seconds."""
    pdu = v2c.SNMPv2TrapPDU()
    v2c.apiPDU.set_defaults(pdu)
    pairs = [
        ("1.3.6.1.2.1.1.3.0", v2c.TimeTicks(123456)),
        ("1.3.6.1.6.3.1.1.4.1.0", v2c.ObjectIdentifier("1.3.6.1.6.3.1.1.5.3")),
        ("1.3.6.1.2.1.2.2.1.1.2", v2c.Integer32(2)),
        ("1.3.6.1.2.1.2.2.1.7.2", v2c.Integer32(1)),
        ("1.3.6.1.2.1.2.2.1.8.2", v2c.Integer32(2)),
        ("1.3.6.1.2.1.2.2.1.2.2", v2c.OctetString("GigabitEthernet0/1")),
        (NUMBER, v2c.OctetString(_MARK)),
    ]
    v2c.apiPDU.set_varbinds(pdu, [(v2c.ObjectIdentifier(name), value) for name, value in pairs])
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, community)
    v2c.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


def main(port: int, count: int, per_second: int, community: str) -> None:
    pattern = template(community)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    began = time.monotonic()
    for number in range(count):
        out.sendto(pattern.replace(_MARK, number.to_bytes(4, "big")), ("127.0.0.1", port))
        ahead = number / per_second - (time.monotonic() - began)
        if ahead > 0.01:
            time.sleep(ahead)  # noqa: TID251  a process of its own has no event loop to hold up
    sys.stdout.write(f"{time.monotonic() - began:.3f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
