#!/usr/bin/env python3
"""A platform hook for cpe-manager (docs/reference/platform-hook.md): a file says over what each line is reached.

Put your own edge in the place of the file: ``carry`` has to return only when the addresses have moved.
Usage in platforms.toml: command = ["/path/to/this", "/var/lib/hook/lines.json"]
"""

import fcntl
import json
import sys
from pathlib import Path

DONE, REFUSED, UNSUPPORTED = 0, 1, 2


def main() -> int:
    call = json.load(sys.stdin)
    if call["version"] != 1:
        return UNSUPPORTED
    state = Path(sys.argv[1])
    # Calls come side by side; one at a time may change the file.
    with state.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lines = read(state)
        if call["verb"] == "carry":
            line = call["line"]
            if call["over"] == "mobile" and not line["mobile_gateway"]:
                print(json.dumps({"error": "the line has no next hop over mobile"}))
                return REFUSED
            # Whole or not at all, and read back: what is told is what the file says now.
            new = state.with_suffix(".new")
            new.write_text(json.dumps({**lines, line["id"]: call["over"]}))
            new.replace(state)
            print(json.dumps({"over": read(state)[line["id"]]}))
        elif call["verb"] == "carried":
            print(json.dumps({"over": lines.get(call["line"]["id"], "fixed")}))
        else:
            return UNSUPPORTED  # reachable, sessions, warm: this platform cannot tell
    return DONE


def read(state: Path) -> dict[str, str]:
    return dict(json.loads(state.read_text())) if state.exists() else {}


if __name__ == "__main__":
    sys.exit(main())
