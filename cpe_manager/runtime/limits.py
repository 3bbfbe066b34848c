"""What the machine grants this process, and asking for more of it."""

from __future__ import annotations

import resource


def open_files(wanted: int) -> int:
    """Raise the soft limit of open files towards ``wanted``, as far as the hard one allows; what it is now. A session
    with each of ten thousand agents is a descriptor each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
