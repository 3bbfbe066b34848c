from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from cpe_manager.kit.prompt import Phase, PromptEngine

PROMPT = re.compile(r"(?P<host>[\w.-]+)(?:\([\w-]+\))?[#>]")
EVIDENCE = re.compile(r"^end\s*\Z", re.MULTILINE)
CONFIG = "Current configuration : 9 bytes\nhostname r1\n!\nend\n"


@dataclass(frozen=True)
class Rules:
    prompt: re.Pattern[str] = PROMPT
    pager: re.Pattern[str] | None = re.compile(r"^ ?--More--$")
    pager_answer: str = " "
    newline: str = "\n"
    questions: tuple[tuple[re.Pattern[str], str], ...] = ()
    errors: re.Pattern[str] | None = re.compile(r"^% ?(?:Invalid|Unknown).*", re.MULTILINE)


def logged_in(first: bytes = b"\r\nr1#") -> PromptEngine:
    engine = PromptEngine(Rules())
    engine.expect_login()
    assert engine.feed(first).phase is Phase.READY
    engine.learn()
    return engine


def settled(first: bytes = b"\r\nr1#") -> PromptEngine:
    engine = logged_in(first)
    engine.expect("terminal length 0")
    assert engine.feed(b"terminal length 0\r\nr1#").phase is Phase.READY
    assert engine.take() == ""
    return engine


def printed(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def test_the_prompt_behind_a_banner_is_learned_with_its_hostname() -> None:
    engine = logged_in(b"\r\n*** private ***\r\nACCESS# by permit only\r\n\r\nedge-7.lab#")
    assert (engine.prompt, engine.hostname) == ("edge-7.lab#", "edge-7.lab")


def test_a_banner_line_that_looks_like_a_prompt_is_unlearned_by_the_first_command() -> None:
    engine = logged_in(b"\r\nACCESS#")
    assert engine.hostname == "ACCESS"
    engine.expect("terminal length 0")
    assert engine.feed(b"\r\nr1#").phase is Phase.LIKELY
    assert engine.feed(b"terminal length 0\r\nr1#").phase is Phase.READY
    assert engine.take() == ""
    assert (engine.prompt, engine.hostname) == ("r1#", "r1")


def test_the_reply_comes_without_echo_and_prompt() -> None:
    engine = settled()
    engine.expect("show clock")
    assert engine.feed(b"show clock\r\n12:00:00 UTC\r\nr1#").phase is Phase.READY
    assert engine.take() == "12:00:00 UTC\n"


def test_a_prompt_that_was_printed_before_the_echo_ends_nothing() -> None:
    engine = settled()
    engine.expect("show clock")
    assert engine.feed(b"\r\nr1#").phase is Phase.LIKELY
    assert engine.feed(b"show clock\r\n12:00:00 UTC\r\nr1#").phase is Phase.READY
    assert engine.take() == "12:00:00 UTC\n"


def test_a_device_without_echo_is_known_as_such_after_the_first_command() -> None:
    engine = logged_in()
    engine.expect("terminal length 0")
    assert engine.feed(b"\r\nr1#").phase is Phase.LIKELY
    assert engine.take() == "\n"
    engine.expect("show clock")
    assert engine.feed(b"12:00\r\nr1#").phase is Phase.READY
    assert engine.take() == "12:00\n"


@pytest.mark.parametrize(
    "echo",
    [
        "show running-config\r\n",
        "r1#show running-config\r\n",
        "show runn\r\ning-config\r\n",
        "show runn \ring-config\r\n",
        "show runn \x08ing-config \r\n",
        "\x1b[Kshow running\x1b[K-config\r\n",
        "\x1b[1mshow\x1b[0m running-config\r\n",
        "%LINK-3-UPDOWN: changed\r\nr1#show running-config\r\n",
    ],
)
def test_an_echo_is_recognised_in_every_form_that_terminals_give_it(echo: str) -> None:
    engine = settled()
    engine.expect("show running-config")
    assert engine.feed(echo.encode() + printed("hostname r1\nend\nr1#")).phase is Phase.READY
    assert engine.take() == "hostname r1\nend\n"


def test_a_reply_line_that_ends_in_the_command_is_no_echo() -> None:
    engine = logged_in()
    engine.expect("terminal length 0")
    engine.feed(b"r1#")
    engine.take()
    engine.expect("show running-config")
    engine.feed(printed("alias exec sr show running-config\nend\nr1#"))
    assert engine.take() == "alias exec sr show running-config\nend\n"


def test_a_configuration_line_equal_to_the_prompt_ends_nothing_before_the_evidence() -> None:
    engine = settled()
    engine.expect("show run", EVIDENCE)
    assert engine.feed(b"show run\r\nbanner motd ^\r\nr1#").phase is Phase.LIKELY
    assert not engine.evidence_seen
    assert engine.feed(b"\r\n^\r\nend\r\n\r\nr1#").phase is Phase.READY
    assert engine.take() == "banner motd ^\nr1#\n^\nend\n\n"


def test_the_evidence_without_the_prompt_is_not_enough() -> None:
    engine = settled()
    engine.expect("show run", EVIDENCE)
    assert engine.feed(b"show run\r\nend\r\n").phase is Phase.WAITING


def test_another_hosts_prompt_is_no_prompt_once_ours_is_known() -> None:
    engine = settled()
    engine.expect("show clock")
    assert engine.feed(b"show clock\r\n12:00\r\nr2#").phase is Phase.WAITING
    assert engine.last_line == "r2#"


def ran(engine: PromptEngine, command: str, end: str) -> Phase:
    """The phase after a command that prints nothing but ``end``; what was read is taken."""
    engine.expect(command)
    phase = engine.feed(printed(f"{command}\n{end}")).phase
    if phase is not Phase.WAITING:
        engine.take()
    return phase


def test_another_mode_of_the_same_host_ends_a_reply_at_once_and_is_the_known_prompt_then() -> None:
    engine = settled()
    for command, prompt in [
        ("configure terminal", "r1(config)#"),
        ("interface Vlan1", "r1(config-if)#"),
        ("end", "r1#"),
        ("disable", "r1>"),
    ]:
        assert ran(engine, command, prompt) is Phase.READY
        assert (engine.prompt, engine.hostname) == (prompt, "r1")


def test_a_name_that_a_command_has_given_counts_when_nothing_more_comes() -> None:
    engine = settled()
    ran(engine, "configure terminal", "r1(config)#")
    assert ran(engine, "hostname edge-7", "edge-7(config)#") is Phase.LIKELY
    assert engine.hostname == "edge-7"
    assert ran(engine, "interface Vlan1", "edge-7(config-if)#") is Phase.READY
    assert ran(engine, "show clock", "r2#") is Phase.WAITING


def test_a_name_may_change_later_than_the_command_that_gave_it_and_back_without_one() -> None:
    engine = settled()
    assert ran(engine, "set system host-name 'edge-7'", "r1#") is Phase.READY
    assert ran(engine, "commit", "edge-7#") is Phase.LIKELY
    assert ran(engine, "rollback", "r1#") is Phase.LIKELY
    assert engine.hostname == "r1"


def test_a_long_name_that_a_mode_cuts_short_is_the_same_host() -> None:
    engine = logged_in(b"\r\nbranch-office-0815-attic#")
    assert ran(engine, "terminal length 0", "branch-office-0815-attic#") is Phase.READY
    assert ran(engine, "configure terminal", "branch-office-0815-a(config)#") is Phase.READY
    assert ran(engine, "end", "branch-office-0815-attic#") is Phase.READY
    assert ran(engine, "show clock", "branch#") is Phase.WAITING


def test_with_evidence_nothing_but_the_known_prompt_counts() -> None:
    engine = settled()
    ran(engine, "hostname r2", "r1#")
    for other in ("r1(config)#", "r2#", "r1>"):
        engine.expect("show run", EVIDENCE)
        assert engine.feed(printed(f"show run\nhostname r1\nend\n{other}")).phase is Phase.WAITING
    engine.expect("show run", EVIDENCE)
    assert engine.feed(printed("show run\nhostname r1\nend\nr1#")).phase is Phase.READY


def test_a_refused_command_may_change_the_mode_too() -> None:
    engine = settled()
    ran(engine, "configure terminal", "r1(config)#")
    engine.expect("show clock")
    assert engine.feed(printed("show clock\n% Invalid input\nr1#")).phase is Phase.READY
    assert engine.refusal() == "% Invalid input"
    engine.take()
    assert engine.prompt == "r1#"


def test_a_refusal_ends_the_wait_for_evidence() -> None:
    engine = settled()
    engine.expect("show run", EVIDENCE)
    progress = engine.feed(b"show run\r\n        ^\r\n% Invalid input detected at '^' marker.\r\n\r\nr1#")
    assert progress.phase is Phase.READY
    assert engine.refusal() == "% Invalid input detected at '^' marker."


def test_error_words_in_a_complete_configuration_are_no_refusal() -> None:
    engine = settled()
    engine.expect("show run", EVIDENCE)
    engine.feed(b"show run\r\nbanner motd ^\r\n% Invalid users go away\r\n^\r\nend\r\nr1#")
    assert engine.refusal() == ""


def test_the_pager_is_answered_once_and_leaves_no_trace() -> None:
    engine = settled()
    engine.expect("show run", EVIDENCE)
    assert engine.feed(b"show run\r\nline 1\r\n --More-- ").reply == b" "
    wipe = b"\x08" * 9 + b" " * 8 + b"\x08" * 9
    replies = [engine.feed(bytes((byte,))).reply for byte in wipe]
    assert set(replies) == {b""}
    assert engine.feed(b" line 2\r\n--More--").reply == b" "
    assert engine.feed(b"\r        \rend\r\nr1#").phase is Phase.READY
    assert engine.take() == "line 1\n line 2\nend\n"


def test_every_cursor_query_is_answered_also_when_torn_apart_and_between_commands() -> None:
    engine = PromptEngine(Rules())
    engine.expect_login()
    assert [engine.feed(bytes((byte,))).reply for byte in b"\x1b[6n"] == [b"", b"", b"", b"\x1b[1;1R"]
    assert engine.feed(b"\x1b[6n\x1b[6nr1#").reply == b"\x1b[1;1R" * 2
    engine.learn()
    assert engine.feed(b"\x1b[6").reply == b""
    assert engine.feed(b"n").reply == b"\x1b[1;1R"


def test_half_an_escape_sequence_left_behind_the_prompt_does_not_spoil_the_next_echo() -> None:
    engine = settled()
    engine.feed(b"\x1b[0")
    engine.expect("show clock")
    assert engine.feed(b"m\x1b[Kshow clock\r\n12:00\r\nr1#").phase is Phase.READY
    assert engine.take() == "12:00\n"


def test_a_password_question_is_recognised_and_the_next_prompt_learned() -> None:
    engine = logged_in(b"\r\nr1>")
    engine.expect_question("enable", re.compile(r"^[Pp]assword:$"))
    assert engine.feed(b"enable\r\nPassword: ").phase is Phase.ASKED
    engine.expect_secret(re.compile(r"^[Pp]assword:$"))
    assert engine.feed(b"\r\n").phase is Phase.WAITING
    assert engine.feed(b"r1#").phase is Phase.READY
    engine.learn()
    assert engine.prompt == "r1#"


def test_a_device_that_asks_nothing_gives_the_new_prompt_at_once() -> None:
    engine = logged_in(b"\r\nr1>")
    engine.expect_question("enable", re.compile(r"^[Pp]assword:$"))
    assert engine.feed(b"enable\r\nr1#").phase is Phase.READY
    engine.learn()
    assert engine.prompt == "r1#"


def test_a_character_torn_apart_between_reads_is_whole_in_the_reply() -> None:
    engine = settled()
    engine.expect("show snmp location")
    place = "Café Zürich 東京\r\n".encode()
    for byte in b"show snmp location\r\n" + place + b"r1#":
        engine.feed(bytes((byte,)))
    assert engine.take() == "Café Zürich 東京\n"


ASKING = Rules(questions=((re.compile(r"^Destination filename \[\S+\]\? ?$"), ""), (re.compile(r"\[no\]: ?$"), "yes")))


def asked(*pieces: bytes, command: str = "copy a b") -> tuple[PromptEngine, bytes]:
    """An engine that has run a command, and all that it answered."""
    engine = PromptEngine(ASKING)
    engine.expect_login()
    engine.feed(b"\r\nr1#")
    engine.learn()
    engine.expect(command)
    return engine, b"".join(engine.feed(piece).reply for piece in pieces)


def test_a_question_that_the_family_knows_is_answered_once_however_it_arrives() -> None:
    head, question, rest = b"copy a b\r\n", b"Destination filename [b]? ", b"\r\n12 bytes copied\r\nr1#"
    for cut in range(len(question)):
        engine, said = asked(head, question[:cut], question[cut:], rest)
        assert said == b"\n"
        assert "12 bytes copied" in engine.take()


def test_two_questions_of_one_command_get_their_own_answers() -> None:
    _, said = asked(b"copy a b\r\nDestination filename [b]? ", b"\r\nReally? [no]: ", b"yes\r\nr1#")
    assert said == b"\nyes\n"


def test_a_question_in_a_text_that_is_read_with_evidence_is_text() -> None:
    engine = PromptEngine(ASKING)
    engine.expect_login()
    engine.feed(b"\r\nr1#")
    engine.learn()
    engine.expect("show running-config", EVIDENCE)
    said = engine.feed(b"show running-config\r\nbanner motd ^C\r\nSure? [no]: ").reply
    said += engine.feed(b"\r\n^C\r\nend\r\nr1#").reply
    assert said == b""
    assert "Sure? [no]:" in engine.take()


def test_an_unknown_question_is_not_answered() -> None:
    engine, said = asked(b"copy a b\r\nErase everything? [yes]: ")
    assert said == b""
    assert engine.last_line == "Erase everything? [yes]:"
