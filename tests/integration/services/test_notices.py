"""Mails to a real SMTP server, as a mailbox gets them; time alone is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.adapters.mail import Route, SmtpPost
from cpe_manager.domain.errors import SettingsError
from cpe_manager.domain.events import NewEvent
from cpe_manager.domain.failover.data_cap import cap_event
from cpe_manager.domain.failover.lines import Carrier, FailoverPolicy, Line, LineRecord, LineSetup
from cpe_manager.domain.failover.mobile_volume import MonthVolume, month_of
from cpe_manager.domain.subscription.subscriptions import Representative
from cpe_manager.domain.telling.mail import Mail
from cpe_manager.ports.shell import Credential
from cpe_manager.services.telling.notice_facts import cap_facts, incident_facts
from cpe_manager.services.telling.notices import NoticeParts, NoticeRules, Notices
from tests.fakes.credentials import FixedCredentials
from tests.integration.api.world import Reach, World, opened
from tests.support.catalogues import a_subscription
from tests.support.certificates import authority
from tests.support.mail_server import MailServer

SENDER = "changes@operator.example"
NOC = "noc@operator.example"
AN, BO = "an@bakkerij.example", "bo@bakkerij.example"
LOGINS = FixedCredentials({"smtp": Credential("mailer", "smtp-secret-1")})


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as running:
        yield running


def route(server: MailServer, **more: Any) -> Route:
    values: dict[str, Any] = {"security": "none", "seconds": 5.0}
    return Route("127.0.0.1", SENDER, server.port, **(values | more))


@pytest.fixture
async def world(tmp_path: Path, server: MailServer) -> AsyncIterator[World]:
    async with opened(tmp_path, reach=Reach(mail=SmtpPost(route(server), LOGINS))) as made:
        await made.add_devices("gent", "luik")
        for site, language, people in (("gent", "nl", (AN, BO)), ("luik", "fr", ("x\r\nRCPT TO:<eve@x>", AN))):
            spoken = tuple(Representative("An", address) for address in people)
            wanted = a_subscription(site, site_id="", language=language, representatives=spoken)
            await made.database.subscriptions.put(wanted, at=made.clock.now(), by="test")
        await made.services.notices.fill()
        yield made


async def happen(world: World, kind: str, number: int = 1, *, site: str = "gent", **data: Any) -> None:
    more = {"site": site, "ticket": f"CHG-{number:06}", "summary": "open port 443", **data}
    await world.database.events.add([NewEvent(kind, world.clock.now(), data=more)])


async def tell(world: World, notices: Notices | None = None) -> None:
    """Until there is nothing to be done at this moment."""
    one = notices or world.services.notices
    while await one.fill() or await one.deliver():
        pass


def told(server: MailServer, recipient: str) -> list[str]:
    return [str(one.message["Subject"]) for one in server.taken if one.recipient == recipient]


async def kinds(world: World) -> list[str]:
    return [one.kind for one in await world.database.events.after(0, limit=9999) if one.kind.startswith("mail.")]


async def test_a_change_is_told_to_each_representative_in_the_subscriptions_language_and_to_the_operator(
    world: World, server: MailServer
) -> None:
    await happen(world, "change.refused", reason="poort 23 wordt nooit geopend (§3.4)")
    await happen(world, "backup.stored")
    await tell(world)
    assert sorted(one.recipient for one in server.taken) == [AN, BO, NOC]
    (dutch,) = (one for one in server.taken if one.recipient == AN)
    assert dutch.sender == SENDER
    assert dutch.message["Subject"] == "[CHG-000001] Uw wijzigingsaanvraag is geweigerd"
    assert dutch.message["To"] == AN
    assert dutch.message["Content-Language"] == "nl"
    assert "Reden: poort 23 wordt nooit geopend (§3.4)" in dutch.message.get_content()
    assert told(server, NOC) == ["[CHG-000001] Your change request was refused"]
    await happen(world, "change.done", 2, site="luik")
    await tell(world)
    assert told(server, AN)[1:] == ["[CHG-000002] La modification est effectuée"]
    assert {one.recipient for one in server.taken} == {AN, BO, NOC}
    assert await kinds(world) == ["mail.sent"] * 5
    await tell(world)
    assert len(server.taken) == 5


async def test_a_site_without_a_subscription_and_an_event_without_a_site_are_told_to_the_operator(
    world: World, server: MailServer
) -> None:
    await happen(world, "change.submitted", site="namen")
    await happen(world, "activation.failed", 2)
    await tell(world)
    assert [one.recipient for one in server.taken] == [NOC, NOC]


async def test_each_event_is_told_once_whoever_makes_and_sends(world: World, server: MailServer) -> None:
    parts = NoticeParts(world.database.mail, world.database.events, world.database.subscriptions,
                        SmtpPost(route(server), LOGINS), world.metrics.mail, {})  # fmt: skip
    other = Notices(parts, world.clock, world.ids, NoticeRules("other", operator=(NOC,)))
    for number in range(60):
        await happen(world, "change.submitted", number)
    await asyncio.gather(*(tell(world, one) for one in (world.services.notices, other) * 2))
    await tell(world)
    for recipient in (AN, BO, NOC):
        found = told(server, recipient)
        assert [subject[:12] for subject in found] == [f"[CHG-{number:06}]"[:12] for number in range(60)]
        assert len(set(found)) == 60


async def test_a_server_that_is_away_for_a_while_loses_nothing_and_keeps_the_order(
    world: World, server: MailServer
) -> None:
    await happen(world, "change.submitted", 1)
    await tell(world)
    await server.stop()
    states = ("submitted", "accepted", "approved", "executing", "done", "closed")
    for minute in range(60):
        if minute % 10 == 0:
            await happen(world, f"change.{states[minute // 10]}", 2)
        await tell(world)
        await world.clock.advance(60)
    assert (await world.database.mail.waiting()).queued == 18
    assert [alarm.key for alarm in await world.database.events.alarms()] == ["mail.failing"]
    assert await world.services.notices.cursor() is not None
    await server.start()
    for _ in range(180):
        await tell(world)
        await world.clock.advance(60)
    for recipient in (AN, BO, NOC):
        assert len(told(server, recipient)) == 7
    assert told(server, NOC)[1:] == [
        f"[CHG-000002] {words}"
        for words in (
            "We have your change request", "Your approval is needed", "The change is approved",
            "The change is being made", "The change is made", "The ticket is closed",
        )
    ]  # fmt: skip
    assert await world.database.events.alarms() == []
    found = await kinds(world)
    assert (found.count("mail.failing"), found.count("mail.recovered"), found.count("mail.failed")) == (1, 1, 0)


async def test_a_mailbox_that_asks_for_patience_gets_it_and_holds_up_nobody_else(
    world: World, server: MailServer
) -> None:
    server.refuse = lambda recipient: "451 4.7.1 greylisted, come back later" if recipient == AN else None
    await happen(world, "change.submitted", 1)
    await happen(world, "change.done", 1)
    await tell(world)
    assert (len(told(server, AN)), len(told(server, BO)), len(told(server, NOC))) == (0, 2, 2)
    (waits,) = (one for one in (await world.services.notices.list(state="queued")).items if one.attempts)
    assert (waits.recipient, waits.reason) == (AN, "451 4.7.1 greylisted, come back later")
    connections = server.connections
    await tell(world)
    assert server.connections == connections
    server.refuse = lambda _recipient: None
    await world.clock.advance(31)
    await tell(world)
    assert [subject.partition("] ")[2] for subject in told(server, AN)] == [
        "Uw wijzigingsaanvraag is ontvangen", "De wijziging is uitgevoerd",
    ]  # fmt: skip


@pytest.mark.parametrize("when", ["recipient", "data"])
async def test_a_mail_that_will_never_be_taken_is_given_up_at_once_and_told(
    world: World, server: MailServer, when: str
) -> None:
    answer = lambda recipient: "550 5.1.1 no such mailbox" if recipient == AN else None  # noqa: E731
    server.refuse, server.at_data = (answer, lambda _: None) if when == "recipient" else (lambda _: None, answer)
    await happen(world, "change.submitted")
    await tell(world)
    assert sorted(one.recipient for one in server.taken) == [BO, NOC]
    (failed,) = (await world.services.notices.list(state="failed")).items
    assert (failed.recipient, failed.attempts, failed.reason) == (AN, 1, "550 5.1.1 no such mailbox")
    (event,) = (one for one in await world.database.events.after(0, limit=999) if one.kind == "mail.failed")
    assert event.data["site"] == "gent"
    assert AN not in str(event)
    server.refuse = server.at_data = lambda _recipient: None
    assert await world.services.notices.retry(None, by="op") == 1
    await tell(world)
    assert len(told(server, AN)) == 1


async def test_a_mail_is_tried_for_days_and_then_given_up(world: World, server: MailServer) -> None:
    server.refuse = lambda _recipient: "450 try later"
    await happen(world, "change.submitted")
    for _ in range(130):
        await tell(world)
        await world.clock.advance(3600)
    assert len((await world.services.notices.list(state="failed")).items) == 3
    assert (await kinds(world)).count("mail.failed") == 3
    assert b'cpe_mails_total{outcome="failed"} 3.0' in world.metrics.render()


async def test_what_happened_long_ago_is_not_told_any_more(world: World, server: MailServer) -> None:
    await happen(world, "change.submitted", 1)
    await world.clock.advance(timedelta(days=6).total_seconds())
    await happen(world, "change.submitted", 2)
    await tell(world)
    assert [subject[:12] for subject in told(server, AN)] == ["[CHG-000002]"]


async def test_a_server_that_never_answers_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with MailServer(delay=30) as server:
        post = SmtpPost(route(server, seconds=0.3), LOGINS)
        mails = [a_mail(number) for number in range(3)]
        (came,) = await post.send(mails)
        assert (came.taken, came.permanent, came.server) == (False, False, True)
        server.delay = 0.0
        assert [one.taken for one in await post.send(mails)] == [True] * 3
        assert server.connections == 2


def a_mail(number: int = 1, recipient: str = AN) -> Mail:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return Mail(f"{number:032}", number, "change.done", "gent", "customer", recipient, "nl", "é", "lijn 1\n", now)


@pytest.mark.parametrize("implicit", [False, True])
async def test_mail_goes_over_tls_to_the_server_that_it_is_meant_for_and_with_a_log_in(
    tmp_path: Path, implicit: bool
) -> None:
    ca_file, context = authority(tmp_path)
    strange, _ = authority(tmp_path, "stranger")
    async with MailServer(tls=context, implicit=implicit, login=("mailer", "smtp-secret-1")) as server:
        good = route(server, security="tls" if implicit else "starttls", credential="smtp", ca_file=ca_file)
        (came,) = await SmtpPost(good, LOGINS).send([a_mail()])
        assert came.taken, came.reason
        assert server.taken[0].tls
        wrong = FixedCredentials({"smtp": Credential("mailer", "smtp-secret-2")})
        for bad, logins in (
            (good, wrong),
            (replace(good, ca_file=strange), LOGINS),
            (replace(good, ca_file=tmp_path / "none.pem"), LOGINS),
            (replace(good, credential="other"), LOGINS),
            (replace(good, credential=""), LOGINS),
        ):
            (came,) = await SmtpPost(bad, logins).send([a_mail()])
            assert not came.taken
            assert not came.permanent or not came.server
            assert "smtp-secret" not in came.reason
        assert len(server.taken) == 1


async def test_nothing_is_sent_in_clear_to_a_server_without_starttls(server: MailServer) -> None:
    (came,) = await SmtpPost(route(server, security="starttls", credential="smtp"), LOGINS).send([a_mail()])
    assert (came.taken, came.server) == (False, True)
    assert server.taken == []
    with pytest.raises(SettingsError, match="no password"):
        SmtpPost(route(server, credential="smtp"), LOGINS)


# Incidents: to the operator alone, and what happens to one within a minute is one mail.


def with_incidents(world: World, server: MailServer) -> Notices:
    facts = {"incident": incident_facts("Europe/Brussels"), "line": cap_facts("Europe/Brussels")}
    parts = NoticeParts(world.database.mail, world.database.events, world.database.subscriptions,
                        SmtpPost(route(server), LOGINS), world.metrics.mail, facts)  # fmt: skip
    return Notices(parts, world.clock, world.ids, NoticeRules("p1", (NOC,)))


async def incident(world: World, what: str, priority: int, one: str = "i1", **data: Any) -> None:
    more = {"incident_id": one, "subject": "line", "device": "gent-r1", "node": "dslam-1", "site": "gent"}
    more |= {"priority": priority, "parent_id": None, "reason": f"because {what}"} | data
    await world.database.events.add([NewEvent(f"incident.{what}", world.clock.now(), data=more)])


async def test_what_becomes_of_an_incident_within_a_minute_is_one_mail(world: World, server: MailServer) -> None:
    notices = with_incidents(world, server)
    await incident(world, "opened", 1)
    await tell(world, notices)
    await world.clock.advance(20)
    await incident(world, "changed", 2, before=1)
    await incident(world, "opened", 3, "i2", subject="backup", reason="no signal")
    await tell(world, notices)
    await world.clock.advance(39)
    await tell(world, notices)
    assert server.taken == []
    await world.clock.advance(1)
    await tell(world, notices)
    (one,) = server.taken
    assert (one.recipient, one.message["Subject"]) == (NOC, "The incident at gent is P2 now")
    text = one.message.get_content()
    said = ["priority P1 began", "because opened", "has priority P2 now", "because changed", "Incident: the line of"]
    places = [text.index(words) for words in said[:4]]
    assert places == sorted(places)
    assert said[4] in text
    assert text.count("Dear customer") == text.count("written by our systems") == 1
    # The backup's is another incident, with a minute of its own; what comes after it went out is another mail.
    await world.clock.advance(20)
    await incident(world, "closed", 2, reason="the line is stable")
    await tell(world, notices)
    assert told(server, NOC)[1:] == ["P3 incident at gent"]
    await world.clock.advance(60)
    await tell(world, notices)
    assert told(server, NOC)[2:] == ["The P2 incident at gent is closed"]
    assert {one.recipient for one in server.taken} == {NOC}
    assert (await kinds(world)).count("mail.sent") == 3


async def test_the_operator_alone_is_told_of_a_data_cap(world: World, server: MailServer) -> None:
    notices = with_incidents(world, server)
    line = Line("l1", "L-1", "gent", "d1", "gent-r1", "", LineSetup("l1"))
    record, policy = LineRecord(line, carrier=Carrier.MOBILE), FailoverPolicy(data_cap_mb=1000)
    at = world.clock.now().timestamp()
    for kind, octets in (("line.cap_near", 812_000_000), ("line.cap_reached", 1_000_000_000)):
        event = cap_event(kind, record, MonthVolume(month_of(at), octets), policy, at)
        await world.database.events.add([replace(event, device_id=None)])
    await tell(world, notices)
    assert told(server, NOC) == ["gent nears its mobile data cap", "gent has reached its mobile data cap"]
    assert {one.recipient for one in server.taken} == {NOC}
    text = server.taken[0].message.get_content()
    assert "Volume: gent-r1: 812 of 1000 MB over mobile in" in text
    assert "81 % of its data cap, and goes over mobile now" in text


async def test_what_was_tried_already_is_not_written_over(world: World, server: MailServer) -> None:
    notices = with_incidents(world, server)
    server.refuse = lambda _recipient: "451 4.2.2 later"
    await incident(world, "opened", 1)
    await tell(world, notices)
    await world.clock.advance(60)
    await tell(world, notices)
    (waiting,) = (await notices.list()).items
    assert (waiting.attempts, waiting.state) == (1, "queued")
    await incident(world, "closed", 1)
    await tell(world, notices)
    assert len((await notices.list()).items) == 2


async def test_lines_below_a_dead_access_node_are_told_with_the_node(world: World, server: MailServer) -> None:
    notices = with_incidents(world, server)
    await incident(world, "opened", 1, "old")
    await tell(world, notices)
    await world.clock.advance(61)
    await tell(world, notices)
    # Before anybody knows of the node a line is by itself; then it is the node's.
    await incident(world, "opened", 1, "line")
    await tell(world, notices)
    await incident(world, "opened", 1, "node", subject="node", device="", site="", lines=2)
    for one in ("line", "old"):
        await incident(world, "changed", 1, one, parent_id="node")
    await incident(world, "opened", 1, "late", parent_id="node")
    await world.clock.advance(60)
    await tell(world, notices)
    assert told(server, NOC) == ["P1 incident at gent", "P1 incident at dslam-1"]
    for one in ("line", "late", "old"):
        await incident(world, "closed", 1, one, parent_id="node")
    await world.clock.advance(60)
    await tell(world, notices)
    assert told(server, NOC)[2:] == ["The P1 incident at gent is closed"], "of the one that was told of by itself"
