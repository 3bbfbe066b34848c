"""SNMPv3 messages with the user-based security model (RFC 3412, 3414, 3826), on pysnmp's message types.

An engine of pysnmp's own costs 60 ms and a megabyte for each box; a fleet has thousands, so only its types are used.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto.mpmod.rfc3412 import ScopedPDU, SNMPv3Message
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters

from simulators.snmp.access import Keys

AUTH, PRIV, REPORTABLE = 1, 2, 4
MAX_SIZE = 65507
_USM = 3
_VERSION = 3


@dataclass(frozen=True, slots=True)
class Header:
    """What travels in the clear. boots and time are those of the authoritative engine; time in seconds."""

    msg_id: int
    flags: int
    engine: bytes = b""
    boots: int = 0
    time: int = 0
    user: bytes = b""


@dataclass(frozen=True, slots=True)
class Packet:
    """A message as it came. data is a ScopedPDU, or the octets of an encrypted one."""

    header: Header
    digest: bytes
    salt: bytes
    data: Any
    raw: bytes

    def genuine(self, keys: Keys) -> bool:
        """Whether the digest is that of these keys."""
        if len(self.digest) != keys.digest_size:
            return False
        blank = self.raw.replace(self.digest, bytes(len(self.digest)), 1)
        return hmac.compare_digest(keys.digest(blank), self.digest)

    def opened(self, keys: Keys) -> Any:
        """The scoped PDU, decrypted if need be. Raises ValueError when the octets make no sense."""
        if not self.header.flags & PRIV:
            return self.data
        clear = _cipher(keys, self.header, self.salt).decryptor().update(self.data)
        try:
            return decoder.decode(clear, asn1Spec=ScopedPDU())[0]
        except PyAsn1Error:
            raise ValueError("not a scoped PDU: wrong privacy key") from None


def parse(raw: bytes) -> Packet:
    """Read a v3 message. Raises ValueError for anything else."""
    try:
        message, _ = decoder.decode(raw, asn1Spec=SNMPv3Message())
        usm, _ = decoder.decode(bytes(message[2]), asn1Spec=UsmSecurityParameters())
    except PyAsn1Error:
        raise ValueError("not an SNMPv3 message") from None
    head = message[1]
    if int(head[3]) != _USM:
        raise ValueError("not the user-based security model")
    header = Header(
        msg_id=int(head[0]),
        flags=bytes(head[2])[0],
        engine=bytes(usm[0]),
        boots=int(usm[1]),
        time=int(usm[2]),
        user=bytes(usm[3]),
    )
    body = message[3].getComponent()
    data = bytes(body) if header.flags & PRIV else body
    return Packet(header, bytes(usm[4]), bytes(usm[5]), data, raw)


def scoped(engine: bytes, pdu: Any, name: bytes = b"") -> Any:
    """A PDU with its context."""
    result = ScopedPDU()
    result[0] = engine
    result[1] = name
    result[2].setComponentByType(pdu.tagSet, pdu, verifyConstraints=False)
    return result


def pdu_of(opened: Any) -> Any:
    """The PDU within a scoped PDU."""
    return opened[2].getComponent()


def seal(header: Header, content: Any, keys: Keys | None = None) -> bytes:
    """Encode a message, encrypted and signed as the header's flags say."""
    salt = b""
    message = SNMPv3Message()
    message[0] = _VERSION
    message[1][0] = header.msg_id
    message[1][1] = MAX_SIZE
    message[1][2] = bytes([header.flags])
    message[1][3] = _USM
    if keys is not None and header.flags & PRIV:
        salt = os.urandom(8)
        clear = encoder.encode(content)
        message[3].setComponentByName("encryptedPDU", _cipher(keys, header, salt).encryptor().update(clear))
    else:
        message[3].setComponentByName("plaintext", content, verifyConstraints=False)
    blank = bytes(keys.digest_size) if keys is not None and header.flags & AUTH else b""
    usm = UsmSecurityParameters()
    for index, value in enumerate((header.engine, header.boots, header.time, header.user, blank, salt)):
        usm[index] = value
    security = encoder.encode(usm)
    message[2] = security
    raw: bytes = encoder.encode(message)
    if keys is None or not blank:
        return raw
    # The digest goes where the zeros are: before the salt, which ends the security parameters.
    end = raw.index(security) + len(security) - len(salt) - 2
    return raw[: end - len(blank)] + keys.digest(raw) + raw[end:]


def _cipher(keys: Keys, header: Header, salt: bytes) -> Cipher[CFB]:
    start = header.boots.to_bytes(4, "big") + header.time.to_bytes(4, "big") + salt
    if len(start) != 16:
        raise ValueError("privacy parameters are not 8 octets")
    return Cipher(AES(keys.priv), CFB(start))
