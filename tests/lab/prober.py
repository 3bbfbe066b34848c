"""Tries a port from where it runs, and says what it saw as ``activation_prober`` wants it told."""

from __future__ import annotations

import json
import socket
import sys


def seen(host: str, port: int, seconds: float) -> dict[str, str]:
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return {"seen": "open"}
    except TimeoutError:
        return {"seen": "silent", "reason": "no answer"}
    except ConnectionRefusedError:
        return {"seen": "refused", "reason": "refused"}
    except OSError as error:
        return {"seen": "unreachable", "reason": str(error.strerror)}


if __name__ == "__main__":
    host, port, seconds = sys.argv[1:4]
    sys.stdout.write(json.dumps(seen(host, int(port), float(seconds)) | {"vantage": "internet"}))
