"""``python -m tests.lab``: real boxes to try the product on, until Ctrl-C: two routers and a whole CPE."""

from __future__ import annotations

import contextlib
import signal
import sys

from tests.lab.box import RealBox, missing
from tests.lab.cpe import PROGRAMS, RealCpe


def describe(box: RealBox) -> str:
    return (
        f"\n{box.name}: login shell {box.shell}\n"
        f"  password  ssh {box.user}@{box.address}    ({box.password})\n"
        f"  key       ssh -i {box.private_key_file} {box.user}@{box.address}\n"
        f"  host key  {box.host_key}\n"
    )


def main() -> int:
    if reason := missing() or missing(PROGRAMS):
        sys.stderr.write(f"no lab: {reason}\n")
        return 1
    with (
        RealBox("gent-r1", "/usr/bin/vtysh") as first,
        RealBox("namur-r1", "/bin/bash") as second,
        RealCpe("hasselt-r1", "/bin/bash") as third,
    ):
        told = "".join(describe(box) for box in (first, second, third))
        sys.stdout.write(f"{told}\nCtrl-C ends them.\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
