"""What an error code means outside: HTTP status, CLI exit code. Tables, so that they can be documented and tested."""

from __future__ import annotations

from typing import Final

HTTP_STATUS: Final[dict[str, int]] = {
    "input": 422,
    "not_found": 404,
    "conflict": 409,
    "precondition_failed": 412,
    "unauthorised": 401,
    "forbidden": 403,
    "throttled": 429,
    "provider": 502,
    "key": 500,
    "seal_broken": 500,
    "store": 503,
    "store_busy": 503,
    "store_full": 507,
    "credential": 409,
    "family": 422,
    "host_key": 409,
    "legacy_crypto": 409,
    "telnet_refused": 409,
}
"""HTTP status by error code; a code that is not here is a 500, a device code a 502."""

EXIT_CODE: Final[dict[str, int]] = {
    "ok": 0,
    "internal": 1,
    "usage": 2,
    "input": 3,
    "not_found": 4,
    "conflict": 5,
    "precondition_failed": 5,
    "unauthorised": 6,
    "forbidden": 6,
    "throttled": 6,
    "provider": 7,
    "unreachable": 7,
    "settings": 8,
    "address_in_use": 9,
    "key": 10,
    "seal_broken": 10,
    "store": 11,
    "store_busy": 11,
    "store_full": 12,
    "device": 13,
    "job_failed": 14,
}
"""Exit code of ``cpe-manager`` by error code; documented in ``docs/reference/exit-codes.md``."""


def exit_code(code: str) -> int:
    """The exit code of an error code; every device error shares 13 unless it has its own."""
    return EXIT_CODE.get(code, EXIT_CODE["device"] if code in DEVICE_CODES else EXIT_CODE["internal"])


def http_status(code: str) -> int:
    """The HTTP status of an error code; device errors are 502, the rest of the unknown 500."""
    return HTTP_STATUS.get(code, 502 if code in DEVICE_CODES else 500)


DEVICE_CODES: Final[frozenset[str]] = frozenset(
    {
        "device",
        "connect_failed",
        "timeout",
        "dropped",
        "negotiation",
        "legacy_crypto",
        "telnet_refused",
        "auth_failed",
        "host_key",
        "credential",
        "family",
        "protocol",
        "prompt",
        "refused",
        "incomplete",
        "foreign_text",
    }
)
