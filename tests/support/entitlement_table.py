"""What each formula may have done, typed from the service description and from nothing of ours (§2, §3, §5).

``TABLE``: for each operation a word for Office&Go, Maxi, Pro, Pro+ and Pro+ Essential. ``yes``: part of the formula.
``opt §X``: part of it where the option was ordered, else refused with that section. ``no §X``: never, for the reason of
that section. ``no §X|§Y``: never; §X is the reason without any option, §Y with all that the formula offers. A second
table holds what is another matter on fibre.
"""

from __future__ import annotations

from typing import Final

FORMULAS: Final = ("office-go", "maxi", "pro", "pro-plus", "pro-plus-essential")

TABLE: Final = """
open-port      no §5.2.2.1           no §5.2.2.1           no §5.2.2.1           yes          no §3.2
close-port     no §5.2.2.1           no §5.2.2.1           no §5.2.2.1           yes          no §3.2
wan-address    no §3.3.1|§5.2.2.1    no §3.3.1|§5.2.2.1    no §3.3.1|§5.2.2.1    yes          no §3.2
lan-address    no §5.2.2.1           no §5.2.2.1           no §5.2.2.1           yes          no §3.2
ip-pack        no §3.3.2             no §3.3.2             no §3.3.2             opt §3.3.2   no §3.2
ipv6           no §3.3.1             no §3.3.1             no §3.3.1             yes          no §3.2
firewall       no §3.7               no §3.7               no §3.7               yes          no §3.2
wifi           yes                   yes                   yes                   yes          no §3.2
wifi-rights    yes                   yes                   yes                   yes          no §3.2
dhcp           yes                   yes                   yes                   yes          no §3.2
ppp            yes                   yes                   yes                   yes          no §3.2
mobile-backup  no §3.8               no §3.8               no §3.8               opt §3.8     no §3.2
reboot         yes                   yes                   yes                   yes          no §3.2
configure      yes                   yes                   yes                   yes          no §3.2
backup         no §5.2.1.3           no §5.2.1.3           no §5.2.1.3           yes          yes
restore        no §5.1.2.4           no §5.1.2.4           no §5.1.2.4           yes          no §3.2
replace        yes                   yes                   yes                   yes          no §5.1.3
failover       no §3.8               no §3.8               no §3.8               opt §3.8     no §3.8
rush           no §4.3               no §4.3               no §4.3               opt §4.3     opt §4.3
"""

ON_FIBRE: Final = """
rush           no §4.3               no §4.3               no §4.3               no §4.3      no §4.3
"""


def rows(table: str) -> dict[str, dict[str, str]]:
    """By operation and formula."""
    found: dict[str, dict[str, str]] = {}
    for line in table.strip().splitlines():
        operation, rest = line.split(maxsplit=1)
        words = [word.strip() for word in rest.replace("§ ", "§").split("  ") if word.strip()]
        assert len(words) == len(FORMULAS), line
        found[operation] = dict(zip(FORMULAS, words, strict=True))
    return found


def expected(operation: str, formula: str, *, fibre: bool, all_options: bool) -> str:
    """Empty: it is allowed; else the section that the refusal cites."""
    table = rows(TABLE) | (rows(ON_FIBRE) if fibre else {})
    word, _, sections = table[operation][formula].partition(" ")
    if word == "yes" or (word == "opt" and all_options):
        return ""
    without, _, with_all = sections.partition("|")
    return with_all if with_all and all_options else without
