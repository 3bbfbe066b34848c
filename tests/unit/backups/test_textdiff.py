from __future__ import annotations

from cpe_manager.kit.textdiff import TextDiff, unified


def test_equal_texts_give_an_empty_diff() -> None:
    assert unified("a\nb\n", "a\nb\n") == TextDiff("", 0, 0)
    assert unified("a\n", "a\n").equal


def test_a_change_is_shown_with_names_context_and_counts() -> None:
    old = "".join(f"line {n}\n" for n in range(9))
    new = old.replace("line 4\n", "line four\nline 4b\n")
    diff = unified(old, new, names=("r1 version 1", "r1 version 2"), context=1)
    assert diff.text.splitlines() == [
        "--- r1 version 1",
        "+++ r1 version 2",
        "@@ -4,3 +4,4 @@",
        " line 3",
        "-line 4",
        "+line four",
        "+line 4b",
        " line 5",
    ]
    assert (diff.added, diff.removed) == (2, 1)


def test_lines_that_look_like_headers_are_counted() -> None:
    diff = unified("-- a\n", "++ b\n")
    assert (diff.added, diff.removed) == (1, 1)


def test_a_lost_final_newline_is_a_difference() -> None:
    diff = unified("a\nb\n", "a\nb")
    assert "\\ No newline at end of file" in diff.text
    assert not diff.equal


def test_form_feeds_do_not_cut_lines() -> None:
    assert unified("a\fb\n", "a\fc\n").removed == 1


def test_an_empty_text_against_a_full_one_is_all_additions() -> None:
    assert (unified("", "a\nb\n").added, unified("a\nb\n", "").removed) == (2, 2)
