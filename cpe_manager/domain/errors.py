"""Every error the product raises, and what each one means for whoever has to act on it.

::

    CpeManagerError              code            retryable  device_state
    |-- InputError               input           no         untouched   bad file, bad argument (file, line, reason)
    |-- NotFound                 not_found       no         untouched
    |-- Conflict                 conflict        no         untouched   the thing is not in the state the verb needs
    |   `-- PreconditionFailed   precondition_failed  no    untouched   it is not what the caller had read any more
    |-- Unauthorised             unauthorised    no         untouched   no or unknown token
    |-- Forbidden                forbidden       no         untouched   who asks may not do that
    |-- Throttled                throttled       yes        untouched   too many tries; says when the next one may be
    |-- ProviderFailed           provider        yes        untouched   the provider of log-ins did not do its part
    |-- SettingsError            settings        no         untouched   the daemon's own configuration
    |-- KeyringError             key             no         untouched   sealing key missing, wrong or damaged
    |   `-- SealBroken           seal_broken     no         untouched   a sealed object does not open or re-hash
    |-- StoreError               store           yes        untouched   the database refused
    |   |-- StoreBusy            store_busy      yes        untouched   locked by someone else
    |   |-- StoreFull            store_full      yes        untouched   no space left
    |   `-- FenceLost            fence_lost      no         untouched   a newer owner holds the device
    |-- AddressInUse             address_in_use  no         untouched   the listening port is taken
    |-- DaemonUnreachable        unreachable     yes        untouched   the CLI found no daemon
    `-- DeviceError              device          yes        untouched   anything that a device or the way to it did
        |-- ConnectFailed        connect_failed  yes        untouched   refused, no route, reset before SSH
        |-- DeviceTimeout        timeout         yes        untouched   a deadline passed
        |-- SessionDropped       dropped         yes        untouched   connection lost in mid-session
        |-- NegotiationFailed    negotiation     no         untouched   no common algorithm
        |   `-- LegacyCryptoNeeded  legacy_crypto  no      untouched   none without the device's legacy_crypto
        |-- TelnetRefused        telnet_refused  no         untouched   Telnet where no group allows it
        |-- AuthFailed           auth_failed     no         untouched   credentials refused
        |-- HostKeyChanged       host_key        no         untouched   pinned key differs; an operator must accept
        |-- CredentialMissing    credential      no         untouched   the reference resolves to nothing
        |-- UnknownFamily        family          no         untouched   no driver of that name
        |-- ProtocolError        protocol        yes        untouched   the other side broke SSH
        |-- PromptLost           prompt          yes        untouched   the prompt never came back, or is another one
        |-- CommandRefused       refused         no         untouched   the device answered with an error
        `-- FetchIncomplete      incomplete      yes        untouched   the end-of-config evidence was not seen
            `-- ForeignText      foreign_text    yes        untouched   the text is not this device's configuration

Retry, HTTP status and exit code are tables over ``code`` (see ``cpe_manager.domain.outcomes``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

DeviceState = Literal["untouched", "changed", "unknown"]


class CpeManagerError(Exception):
    """Root of the tree; ``str(error)`` is one line fit for an operator and holds no secret."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    device_state: DeviceState = "untouched"


class InputError(CpeManagerError):
    """Input refused before any effect; carries the place when there is one.

    ``pointer``: the value in a record that a program sent, as a JSON pointer (RFC 6901): ``/parameters/port``.
    """

    code = "input"

    def __init__(
        self, reason: str, *, file: str | None = None, line: int | None = None, pointer: str | None = None
    ) -> None:
        self.reason, self.file, self.line, self.pointer = reason, file, line, pointer
        place = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{place}: {reason}" if place else reason)


class NotFound(CpeManagerError):
    code = "not_found"


class Conflict(CpeManagerError):
    code = "conflict"


class PreconditionFailed(Conflict):
    """What the caller had read of it, and named, is not how it is: somebody else changed it meanwhile."""

    code = "precondition_failed"


class Unauthorised(CpeManagerError):
    code = "unauthorised"


class Forbidden(CpeManagerError):
    code = "forbidden"


class Throttled(CpeManagerError):
    """``seconds``: before the next try is looked at."""

    code = "throttled"
    retryable = True

    def __init__(self, message: str, *, seconds: float = 2.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class ProviderFailed(CpeManagerError):
    code = "provider"
    retryable = True


class SettingsError(CpeManagerError):
    code = "settings"


class KeyringError(CpeManagerError):
    code = "key"


class SealBroken(KeyringError):
    code = "seal_broken"


class StoreError(CpeManagerError):
    code = "store"
    retryable = True


class StoreBusy(StoreError):
    code = "store_busy"


class StoreFull(StoreError):
    code = "store_full"


class FenceLost(StoreError):
    code = "fence_lost"
    retryable = False


class AddressInUse(CpeManagerError):
    code = "address_in_use"


class DaemonUnreachable(CpeManagerError):
    code = "unreachable"
    retryable = True


class DeviceError(CpeManagerError):
    code = "device"
    retryable = True


class ConnectFailed(DeviceError):
    code = "connect_failed"


class DeviceTimeout(DeviceError):
    code = "timeout"


class SessionDropped(DeviceError):
    code = "dropped"


class NegotiationFailed(DeviceError):
    code = "negotiation"
    retryable = False


class LegacyCryptoNeeded(NegotiationFailed):
    """The box offers old algorithms alone. Nobody falls back to them silently: the device's ``legacy_crypto`` does."""

    code = "legacy_crypto"


class TelnetRefused(DeviceError):
    """Telnet was asked for where it is not allowed, or for what cannot go over it; nothing was sent."""

    code = "telnet_refused"
    retryable = False


class AuthFailed(DeviceError):
    """Not retried by itself: repeated wrong log-ins lock accounts."""

    code = "auth_failed"
    retryable = False


class HostKeyChanged(DeviceError):
    """Carries the key that was offered, in OpenSSH public-key form, for the operator to look at."""

    code = "host_key"
    retryable = False

    def __init__(self, message: str, *, offered: str) -> None:
        super().__init__(message)
        self.offered = offered


class CredentialMissing(DeviceError):
    code = "credential"
    retryable = False


class UnknownFamily(DeviceError):
    code = "family"
    retryable = False


class ProtocolError(DeviceError):
    code = "protocol"


class PromptLost(DeviceError):
    code = "prompt"


class CommandRefused(DeviceError):
    code = "refused"
    retryable = False


class FetchIncomplete(DeviceError):
    code = "incomplete"


class ForeignText(FetchIncomplete):
    code = "foreign_text"
