"""What shells print, byte by byte, and what a person reads of it: prompts, banners, pagers, escape sequences."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rules:
    """``ports.shell.PromptRules`` of one sort of shell."""

    prompt: re.Pattern[str]
    pager: re.Pattern[str] | None = None
    pager_answer: str = " "
    newline: str = "\n"
    questions: tuple[tuple[re.Pattern[str], str], ...] = ()
    errors: re.Pattern[str] | None = re.compile(r"^% ?(?:Invalid|Unknown).*", re.MULTILINE)


IOS = Rules(re.compile(r"(?P<host>[A-Za-z0-9][\w.-]{0,62})(?:\([\w./-]+\))?[#>]"), re.compile(r"^ ?-+ ?More ?-+$"))
XR = Rules(re.compile(r"RP/\d+/(?:RSP|RP)?\d+/CPU\d+:(?P<host>[\w.-]+)(?:\([\w-]+\))?#"))
UNIX = Rules(re.compile(r"[\w.-]+@(?P<host>[\w.-]+):? ?[^\s#$>%]* ?[#$>%]"))
ROUTEROS = Rules(re.compile(r"\[[^@\]]+@(?P<host>[^\]]+)\] (?:<SAFE> |/[\w/ -]*)?>"))
BARE = Rules(re.compile(r"(?P<host>)[#$]"))
SHELLS = {"ios": IOS, "xr": XR, "unix": UNIX, "routeros": ROUTEROS, "bare": BARE}


@dataclass(frozen=True)
class Case:
    """One session: log in, send ``first``, send ``show it``.

    shown: the prompt as it is sent; prompt: as it is read. greeting: what comes before the first prompt. reply: what
    comes between the second command and its prompt, in sections, after each of which the device waits to be answered.
    text: what a person reads of it. sent: the answers that it gets; None where a cut may make a line of text look like
    a pager's, which then gets one, too.
    """

    id: str
    rules: Rules = IOS
    shown: bytes = b"r1#"
    prompt: str = "r1#"
    host: str = "r1"
    greeting: bytes = b"\r\n"
    reply: tuple[bytes, ...] = (b"show it\r\nall\r\nis well\r\n",)
    text: str = "all\nis well\n"
    sent: bytes | None = b""


def prompt(name: str, shell: str, shown: str, read: str, host: str) -> Case:
    return Case(name, SHELLS[shell], shown.encode(), read, host)


def banner(name: str, *lines: str) -> Case:
    return Case(f"banner-{name}", greeting="".join(f"{line}\r\n" for line in lines).encode())


def output(name: str, printed: str | bytes, text: str) -> Case:
    data = printed if isinstance(printed, bytes) else printed.encode()
    return Case(f"output-{name}", reply=(b"show it\r\n" + data,), text=text)


def echo(name: str, printed: str, case: Case = Case("")) -> Case:
    return replace(case, id=f"echo-{name}", reply=(printed.encode() + b"all\r\nis well\r\n",))


BLANKS = "\r" + " " * 40 + "\r"


def pager(name: str, pattern: str, shown: str, wipe: str = BLANKS, answer: str = " ", newline: str = "\r\n") -> Case:
    pages = (f"show it\r\none{newline}{shown}", f"{wipe} two\r\n{shown}", f"{wipe}three\r\n")
    rules = replace(IOS, pager=re.compile(pattern), pager_answer=answer)
    reply = tuple(page.encode() for page in pages)
    return Case(f"pager-{name}", rules, reply=reply, text="one\n two\nthree\n", sent=answer.encode() * 2)


PROMPTS = (
    prompt("ios-user", "ios", "R1>", "R1>", "R1"),
    prompt("ios-enable", "ios", "R1#", "R1#", "R1"),
    prompt("ios-config", "ios", "R1(config)#", "R1(config)#", "R1"),
    prompt("ios-interface", "ios", "R1(config-if)#", "R1(config-if)#", "R1"),
    prompt("ios-subinterface", "ios", "R1(config-subif)#", "R1(config-subif)#", "R1"),
    prompt("ios-address-family", "ios", "R1(config-router-af)#", "R1(config-router-af)#", "R1"),
    prompt("ios-boot-like", "ios", "Router(boot)>", "Router(boot)>", "Router"),
    prompt("ios-dots-and-hyphens", "ios", "edge-7.lab.example#", "edge-7.lab.example#", "edge-7.lab.example"),
    prompt("ios-underscore", "ios", "cpe_0815#", "cpe_0815#", "cpe_0815"),
    prompt("ios-trailing-blank", "ios", "R1# ", "R1#", "R1"),
    prompt("ios-longest-name", "ios", "x" * 63 + "#", "x" * 63 + "#", "x" * 63),
    prompt("ios-digits-first", "ios", "0815-site#", "0815-site#", "0815-site"),
    prompt("ios-behind-carriage-return", "ios", "\rR1#", "R1#", "R1"),
    prompt("ios-behind-a-bell", "ios", "\x07R1#", "R1#", "R1"),
    prompt("ios-padded-with-nul", "ios", "\x00\x00R1#", "R1#", "R1"),
    prompt("xr", "xr", "RP/0/RSP0/CPU0:core-1#", "RP/0/RSP0/CPU0:core-1#", "core-1"),
    prompt("xr-route-processor", "xr", "RP/0/RP1/CPU0:core-1#", "RP/0/RP1/CPU0:core-1#", "core-1"),
    prompt("xr-config", "xr", "RP/0/0/CPU0:core-1(config-if)#", "RP/0/0/CPU0:core-1(config-if)#", "core-1"),
    prompt("vyos", "unix", "vyos@r1:~$ ", "vyos@r1:~$", "r1"),
    prompt("vyos-config", "unix", "vyos@r1# ", "vyos@r1#", "r1"),
    prompt("vyos-title", "unix", "\x1b]0;vyos@r1: ~\x07vyos@r1:~$ ", "vyos@r1:~$", "r1"),
    prompt("vyos-coloured", "unix", "\x1b[01;32mvyos@r1\x1b[00m:\x1b[01;34m~\x1b[00m$ ", "vyos@r1:~$", "r1"),
    prompt("vyos-bracketed-paste", "unix", "\x1b[?2004hvyos@r1:~$ ", "vyos@r1:~$", "r1"),
    prompt("junos", "unix", "noc@edge> ", "noc@edge>", "edge"),
    prompt("junos-config", "unix", "noc@edge# ", "noc@edge#", "edge"),
    prompt("junos-shell", "unix", "noc@edge% ", "noc@edge%", "edge"),
    prompt("openwrt", "unix", "root@OpenWrt:~# ", "root@OpenWrt:~#", "OpenWrt"),
    prompt("openwrt-deep", "unix", "root@host:/etc/config# ", "root@host:/etc/config#", "host"),
    prompt("openwrt-cursor-query", "unix", "root@OpenWrt:~# \x1b[6n", "root@OpenWrt:~#", "OpenWrt"),
    prompt("query-before-it", "unix", "\x1b[6nroot@OpenWrt:/# ", "root@OpenWrt:/#", "OpenWrt"),
    prompt("spaces-around-the-directory", "unix", "user@host: ~ $ ", "user@host: ~ $", "host"),
    prompt("edgeos-title-string-end", "unix", "\x1b]2;ubnt\x1b\\ubnt@gw:~$ ", "ubnt@gw:~$", "gw"),
    prompt("title-with-a-prompt-in-it", "unix", "\x1b]0;a@b:~$ \x07root@gw:~# ", "root@gw:~#", "gw"),
    prompt("routeros", "routeros", "[admin@MikroTik] > ", "[admin@MikroTik] >", "MikroTik"),
    prompt("routeros-safe-mode", "routeros", "[admin@X] <SAFE> > ", "[admin@X] <SAFE> >", "X"),
    prompt("routeros-menu", "routeros", "[admin@X] /ip/address> ", "[admin@X] /ip/address>", "X"),
    prompt("routeros-old-menu", "routeros", "[admin@X] /ip address> ", "[admin@X] /ip address>", "X"),
    prompt("routeros-name-with-blanks", "routeros", "[noc@Site 8 attic] > ", "[noc@Site 8 attic] >", "Site 8 attic"),
    prompt("routeros-redrawn", "routeros", "\r\r\r\r[a@X] >      \r[a@X] > ", "[a@X] >", "X"),
    prompt("routeros-scrolled", "routeros", "\x1b[9999B\r[a@X] > \x1b[K", "[a@X] >", "X"),
    prompt("routeros-coloured", "routeros", "[\x1b[m\x1b[36ma\x1b[m@\x1b[1mX\x1b[m] > ", "[a@X] >", "X"),
    prompt("routeros-identify", "routeros", "\x1bZ\x1b[6n[a@X] > ", "[a@X] >", "X"),
    prompt("nameless-hash", "bare", "# ", "#", ""),
    prompt("nameless-dollar", "bare", "\x1b[0m$ ", "$", ""),
    prompt("bold", "ios", "\x1b[1mR1#\x1b[0m", "R1#", "R1"),
    prompt("erased-behind", "ios", "R1#\x1b[K", "R1#", "R1"),
    prompt("erased-before", "ios", "old text\r\x1b[KR1#", "R1#", "R1"),
    prompt("screen-erased", "ios", "\x1b[2J\x1b[HR1#", "R1#", "R1"),
    prompt("application-keypad", "ios", "\x1b=\x1b[?1hR1#", "R1#", "R1"),
    prompt("character-set", "ios", "\x1b(BR1#", "R1#", "R1"),
    replace(
        prompt("procurve-next-line", "ios", "\x1b[24;1H\x1b[2K\x1bER1# \x1b[?25h", "R1#", "R1"),
        text="all\nis well\n\n",
    ),
)
BANNERS = (
    banner("none"),
    banner("blank-lines", "", "", ""),
    banner("hash-frame", "#" * 60, "# authorised only #", "#" * 60),
    banner("hash-alone", "#", "text", "#"),
    banner("like-a-prompt", "ACCESS#", "by permit only"),
    banner("like-a-prompt-at-the-end", "by permit only", "ACCESS#"),
    banner("like-our-prompt", "welcome to", "r1#", "have a nice day"),
    banner("our-prompt-with-a-mode", "r1(config)#", ""),
    banner("greater-than", "Hint: type > to redirect", "menu>"),
    banner("dollar", "costs 5$", "user@host:~$"),
    banner("pager-words", "--More-- is answered with a blank"),
    banner("pager-line", "more below:", "--More--", "less above"),
    banner("password-words", "Your password: expires soon", "password:"),
    banner("art-with-escapes", "\x1b[31m /\\_/\\ \x1b[0m", "\x1b[32m( o.o )#\x1b[0m"),
    banner("umlauts", "Zugriff nur für Befugte - é 東京"),
    banner("tabs", "\tindented\t#"),
    banner("last-login", "Last login: Wed Nov 25 03:00:00 from 10.0.0.9"),
    banner("error-words", "% Invalid users go away"),
    banner("log-line", "%SYS-5-CONFIG_I: Configured from console"),
    banner("very-long-line", "#" * 3000),
    banner("command-words", "type show it", "show it"),
)
OUTPUTS = (
    output("nothing", "", ""),
    output("blank-line", "\r\n", "\n"),
    output("blank-lines-kept", "\r\na\r\n\r\nb\r\n\r\n", "\na\n\nb\n\n"),
    output("trailing-blanks-kept", "a  \r\n", "a  \n"),
    output("line-feeds-only", "a\nb\n", "a\nb\n"),
    output("double-carriage-returns", "a\r\r\nb\r\r\n", "a\nb\n"),
    output("line-feed-first", "a\n\rb\n\r", "a\nb\n"),
    output("tab", "a\tb\r\n", "a\tb\n"),
    output("looks-like-a-prompt", "r2#\r\nr1(config)#\r\nr1>\r\n", "r2#\nr1(config)#\nr1>\n"),
    output("starts-like-the-prompt", "r1# is our prompt\r\n", "r1# is our prompt\n"),
    output("ends-like-the-prompt", "our prompt is r1#\r\n", "our prompt is r1#\n"),
    output("error-words-in-a-line", "log: % Invalid input\r\n", "log: % Invalid input\n"),
    output("command-again", "alias s show it\r\nshow it now\r\n", "alias s show it\nshow it now\n"),
    output("colours", "\x1b[1;31mdown\x1b[0m \x1b[38;5;10mup\x1b[m\r\n", "down up\n"),
    output("two-bytes-in-utf-8", "Café Zürich ß\r\n", "Café Zürich ß\n"),
    output("three-bytes-in-utf-8", "東京 « x »\r\n", "東京 « x »\n"),
    output("four-bytes-in-utf-8", "router 🛜 up\r\n", "router 🛜 up\n"),
    output("combining", "Ga\u0308ste\r\n", "Ga\u0308ste\n"),
    output("latin-1", b"caf\xe9\r\n", "caf\ufffd\n"),
    output("title-in-the-middle", "a\x1b]0;t\x07b\r\n", "ab\n"),
    output("device-control-string", "a\x1bPq#1\x1b\\b\r\n", "ab\n"),
    output("query-in-the-middle", "a\x1b[6nb\r\n", "ab\n"),
    output("overprinted", "loading 10%\rloading 99%\rdone       \r\n", "done       \n"),
    output("progress-wiped", "working...\r          \rdone\r\n", "done\n"),
    output("typed-over", "tyop\x08\x08po\r\n", "typo\n"),
    output("rubbed-out", "typoo\x08 \x08\r\n", "typo\n"),
    output("erased-to-the-end", "abcdef\x08\x08\x08\x1b[K\r\n", "abc\n"),
    output("erased-to-the-end-zero", "abcdef\x08\x08\x08\x1b[0K\r\n", "abc\n"),
    output("erased-to-the-start", "abcdef\x08\x08\x08\x1b[1K\r\n", "   def\n"),
    output("line-erased", "abcdef\x1b[2K\rxyz\r\n", "xyz\n"),
    output("cursor-forward", "a\x1b[3Cb\r\n", "a   b\n"),
    output("cursor-forward-one", "a\x1b[Cb\r\n", "a b\n"),
    output("cursor-back", "abc\x1b[2DX\r\n", "aXc\n"),
    output("cursor-to-column", "abc\x1b[1GX\x1b[8Gend\r\n", "Xbc    end\n"),
    output("characters-deleted", "abcdef\r\x1b[2P\r\n", "cdef\n"),
    output("characters-erased", "abcdef\r\x1b[2X\r\n", "  cdef\n"),
    output("characters-inserted", "abc\r\x1b[2@xy\r\n", "xyabc\n"),
    output("next-line", "a\x1bEb\x1bE", "a\nb\n"),
    output("damage-stays-visible", "a\x00b\x07c\r\n", "a\x00b\x07c\n"),
    output("a-long-line", "x" * 3000 + "\r\n", "x" * 3000 + "\n"),
)
ROS = replace(PROMPTS[0], rules=ROUTEROS, shown=b"[a@X] > ", prompt="[a@X] >", host="X")
ECHOES = (
    echo("plain", "show it\r\n"),
    echo("behind-the-prompt", "r1#show it\r\n"),
    echo("after-a-log-line", "\r\n%LINK-3-UPDOWN: changed\r\nr1#show it\r\n"),
    echo("wrapped", "show \r\nit\r\n"),
    echo("wrapped-with-a-blank", "show \rit\r\n"),
    echo("coloured", "\x1b[1mshow\x1b[0m it\r\n"),
    echo("erasing", "show it\x1b[K\r\n"),
    echo("leading-blank", " show it\r\n"),
    echo("bracketed-paste", "show it\x1b[?2004l\r\r\n"),
    echo("routeros-plain", "show it\r\n", ROS),
    echo("routeros-redrawn", "show it\r[a@X] > show it\x1b[K\r\n", ROS),
    echo("routeros-twice", "show it\r\n\r\r\r\r[a@X] > show it\r\n", ROS),
    echo("routeros-behind-the-prompt", "\r[a@X] > show it\r\n", ROS),
)
PAGERS = (
    pager("ios", r"^ ?--More--$", " --More-- ", "\x08" * 9 + " " * 8 + "\x08" * 9),
    pager("ios-carriage-return", r"^ ?--More--$", "--More--", "\r        \r"),
    pager("erase-line", r"^--More--$", "--More--", "\r\x1b[K"),
    pager("erase-whole-line", r"^--More--$", "--More--", "\x1b[2K\r"),
    pager("reverse-video", r"^--More--$", "\x1b[7m--More--\x1b[27m", "\r\x1b[K"),
    pager("percentage", r"^--More--(?:\(\d+%\))?$", "--More--(42%)"),
    pager("percentage-and-blank", r"^--More-- ?(?:\(\d+%\))?$", "--More-- (42%)"),
    pager("junos", r"^---\(more(?: \d+%)?\)---$", "---(more 42%)---", "\r" + " " * 20 + "\r"),
    pager("angle-brackets", r"^<--- More --->$", "<--- More --->", "\r              \r"),
    pager("huawei", r"^ *---- More ----$", "  ---- More ----", "\x1b[42D" + " " * 42 + "\x1b[42D"),
    pager("comware", r"^---- More ----$", "---- More ----", "\x08" * 14 + " " * 14 + "\x08" * 14),
    pager("lower-case", r"^--more--$", "--more-- "),
    pager("routeros", r"^-- \[Q quit\|D dump\|(?:down|up)[^\]]*\]$", "-- [Q quit|D dump|down]", "\r\x1b[K"),
    pager("procurve", r"^-- MORE --, next page: Space,", "-- MORE --, next page: Space, quit: Control-C", "\r\x1b[K"),
    pager("dell", r"^--More-- or \(q\)uit$", "--More-- or (q)uit"),
    pager("any-key", r"^Press any key to continue", "Press any key to continue (Q to quit)", answer="x"),
    pager("enter", r"^Press Enter to continue", "Press Enter to continue...", answer="\n"),
    pager("less-colon", r"^:$", ":", "\r\x1b[K"),
    pager("less-lines", r"^lines \d+-\d+(?:/\d+)?(?: \d+%)?$", "\x1b[7mlines 1-24\x1b[27m", "\r\x1b[K"),
    pager("less-file", r"^\S+ lines \d+-\d+/\d+ \d+%$", "running lines 1-24/90 27%", "\r\x1b[K"),
    pager("zyxel", r"^--- more ---, press Space", "--- more ---, press Space to go on, q to quit", "\r\x1b[K"),
    pager("draytek", r"^--- MORE ---", "--- MORE ---   ['q': Quit, 'Enter': New Lines] ---", "\r\x1b[K"),
    pager("lancom", r"^\[More\]", "[More] <Space> for next page, <q> to quit", "\r\x1b[K"),
    pager("bdcom", r"^ ?--More--$", " --More-- \x07", "\r           \r"),
    pager("next-column", r"^--More--$", "--More--", "\x1b[1G\x1b[K"),
    pager("deleted", r"^--More--$", "--More--", "\r\x1b[8P"),
    Case(
        "pager-less-end",
        replace(IOS, pager=re.compile(r"^(?:lines \d+-\d+(?:/\d+)? ?)?(?P<end>\(END\))?$(?<=.)")),
        reply=(b"show it\r\none\r\n\x1b[7mlines 1-24\x1b[27m", b"\r\x1b[Ktwo\r\n\x1b[7m(END)\x1b[27m", b"\r\x1b[K"),
        text="one\ntwo\n",
        sent=b" q",
    ),
    Case(
        "pager-in-the-text",
        reply=(b"show it\r\nbanner\r\n--More-- or less\r\n --More-- x\r\n",),
        text="banner\n--More-- or less\n --More-- x\n",
        sent=None,
    ),
)
CASES = (*PROMPTS, *BANNERS, *OUTPUTS, *ECHOES, *PAGERS)
