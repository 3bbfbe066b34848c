"""A saved IOS configuration is told in the form of the running one."""

from __future__ import annotations

from cpe_manager.kit.ios.startup import as_shown

RUNNING = """\
!
! Last configuration change at 10:00:00 UTC Mon Nov 23 2026 by admin
!
version 15.7
hostname r1
crypto pki certificate chain TP-self-signed-1
 certificate self-signed 01
  30820229 30820192 A0030201
  02020101
  \tquit
interface Vlan1
 description certificate of the shop
!
end
"""
SAVED = """\
!
version 15.7
hostname r1
crypto pki certificate chain TP-self-signed-1
 certificate self-signed 01 nvram:IOS-Self-Sig#1.cer
interface Vlan1
 description certificate of the shop
!
end
"""


def test_a_router_that_saved_what_it_runs_would_come_up_with_it() -> None:
    assert as_shown(SAVED, RUNNING) == RUNNING


def test_what_was_not_saved_is_missing() -> None:
    assert as_shown(SAVED, RUNNING.replace("hostname r1", "hostname r2")) == RUNNING


def test_a_certificate_that_does_not_run_stays_as_it_was_saved() -> None:
    other = SAVED.replace("self-signed 01", "self-signed 02")
    assert " certificate self-signed 02 nvram:" in as_shown(other, RUNNING)
    elsewhere = SAVED.replace("chain TP", "chain XX")
    assert " certificate self-signed 01 nvram:" in as_shown(elsewhere, RUNNING)


def test_a_text_of_comments_alone_ends() -> None:
    assert as_shown("!\n!", "!\nversion 1\n") == "!\n"
