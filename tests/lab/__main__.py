"""``python -m tests.lab``: two real boxes to try the product on, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys

from tests.lab.box import USER, RealBox, missing


def describe(box: RealBox) -> str:
    return (
        f"\n{box.name}: login shell {box.shell}\n"
        f"  password  ssh {USER}@{box.address}    ({box.password})\n"
        f"  key       ssh -i {box.private_key_file} {USER}@{box.address}\n"
        f"  host key  {box.host_key}\n"
    )


def main() -> int:
    if reason := missing():
        sys.stderr.write(f"no lab: {reason}\n")
        return 1
    with RealBox("gent-r1", "/usr/bin/vtysh") as first, RealBox("namur-r1", "/bin/bash") as second:
        sys.stdout.write(f"{describe(first)}{describe(second)}\nCtrl-C ends both.\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
