"""Whatever the network does to a stream, the engine reads the same out of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cpe_manager.kit.prompt import Phase, PromptEngine

PROMPT = "edge-1#"
COMMAND = "show running-config"
EVIDENCE = re.compile(r"^end\n\Z", re.MULTILINE)


@dataclass(frozen=True)
class Rules:
    prompt: re.Pattern[str] = re.compile(r"(?P<host>[\w.-]+)[#>]")
    pager: re.Pattern[str] | None = re.compile(r"^ ?--More--$")
    pager_answer: str = " "
    newline: str = "\n"
    questions: tuple[tuple[re.Pattern[str], str], ...] = ()
    errors: re.Pattern[str] | None = None


words = st.text(st.sampled_from("abc 019.-/éß東#>%!^"), max_size=20)
lines = st.lists(st.one_of(words, st.just(PROMPT), st.just(COMMAND + "x"), st.just("end.")), max_size=12)
decorations = st.sampled_from(["", "\x1b[0m", "\x1b]0;host\x07", "\x1b[K", "\x1b[1;32m", "\x1b[6n"])
echoes = st.sampled_from([COMMAND + "\r\n", PROMPT + COMMAND + "\r\n", "show running \r-config\r\n", ""])


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, str]:
    """The bytes of one reply and the text in it."""
    body = [line.rstrip() for line in draw(lines)] + ["end"]
    decorated = [draw(decorations) + line + draw(decorations) for line in body]
    stream = draw(echoes) + "".join(line + "\r\n" for line in decorated) + draw(decorations) + PROMPT
    return stream.encode(), "".join(line + "\n" for line in body)


def in_pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:stop] for start, stop in pairwise(places)]


def read(pieces: list[bytes]) -> tuple[Phase, str, bytes]:
    engine = PromptEngine(Rules())
    engine.expect_login()
    engine.feed(PROMPT.encode())
    engine.learn()
    engine.expect(COMMAND, EVIDENCE)
    phase, sent = Phase.WAITING, b""
    for piece in pieces:
        assert phase is not Phase.READY, "the reply ended before its last byte"
        progress = engine.feed(piece)
        phase, sent = progress.phase, sent + progress.reply
    return phase, engine.take(), sent


@given(replies(), st.lists(st.integers(min_value=0), max_size=30))
def test_any_splitting_of_a_reply_gives_the_same_text_and_the_same_answers(
    reply: tuple[bytes, str], cuts: list[int]
) -> None:
    stream, text = reply
    whole = read([stream])
    assert whole == (Phase.READY, text, b"\x1b[1;1R" * stream.count(b"\x1b[6n"))
    assert read(in_pieces(stream, cuts)) == whole


@given(replies())
def test_one_byte_at_a_time_gives_the_same_text(reply: tuple[bytes, str]) -> None:
    stream, text = reply
    phase, taken, _sent = read([bytes((byte,)) for byte in stream])
    assert (phase, taken) == (Phase.READY, text)


pages = st.lists(st.lists(words.map(lambda word: "x" + word.rstrip()), min_size=1, max_size=4), min_size=1, max_size=5)
wipes = st.sampled_from(["\r         \r", "\r\x1b[K", "\x1b[2K\r", "\x08" * 9 + " " * 9 + "\x08" * 9])


@given(pages, wipes, st.integers(min_value=1, max_value=9))
def test_a_paged_reply_is_answered_page_by_page_and_reads_as_one(paged: list[list[str]], wipe: str, size: int) -> None:
    engine = PromptEngine(Rules())
    engine.expect_login()
    engine.feed(PROMPT.encode())
    engine.learn()
    engine.expect(COMMAND, EVIDENCE)
    sections = ["".join(line + "\r\n" for line in page) for page in paged]
    sections[-1] += "end\r\n"
    stream = COMMAND + "\r\n" + (" --More--\x00" + wipe).join(sections) + PROMPT
    answers = []
    for section in stream.split("\x00"):
        data = section.encode()
        answers.append(b"".join(engine.feed(data[at : at + size]).reply for at in range(0, len(data), size)))
    assert answers == [b" "] * (len(paged) - 1) + [b""]
    assert engine.take() == "".join(line + "\n" for page in paged for line in page) + "end\n"
