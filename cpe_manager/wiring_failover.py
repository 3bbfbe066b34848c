"""Names the implementations behind fail-over: what looks at lines, who decides, and what moves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.icmp import IcmpEchoes
from cpe_manager.adapters.platform.file import PlatformFile
from cpe_manager.adapters.reach import TcpReach
from cpe_manager.adapters.snmp.gets import SnmpGets
from cpe_manager.adapters.snmp.line_poller import SnmpLinePoller
from cpe_manager.adapters.snmp.poller import SnmpPoller
from cpe_manager.adapters.ssh.sessions import SshSessions
from cpe_manager.domain.failover.coverage import CoverageGoals
from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.ports.lines import LineStore
from cpe_manager.ports.platform import Platforms
from cpe_manager.ports.sensing import LinePoller
from cpe_manager.runtime.metrics import Metrics
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.backup.worker import ShardWorker
from cpe_manager.services.failover.box import BoxParts, PushedBox
from cpe_manager.services.failover.change import RouteChange
from cpe_manager.services.failover.conductor import Conductor
from cpe_manager.services.failover.coverage import BoxCoverage, TransferTest
from cpe_manager.services.failover.line_ports import LinePorts
from cpe_manager.services.failover.lines import LineHouse, Lines, LineStores
from cpe_manager.services.failover.looking import LineLooking, Lookers, Trapped, Warmth
from cpe_manager.services.failover.pressure import Pressure
from cpe_manager.services.failover.rounds import WatcherParts
from cpe_manager.services.failover.sensing import Senses, Sensing
from cpe_manager.services.failover.sensing_terms import Rhythm
from cpe_manager.services.failover.swift import SwiftPath, SwiftRules
from cpe_manager.services.failover.trap_evidence import TrapEvidence
from cpe_manager.services.failover.watching import Watcher, WatcherRules
from cpe_manager.services.push.commit_path import CommitPath
from cpe_manager.services.push.pushes import Pushes, PushStores
from cpe_manager.services.traps.traps import Traps
from cpe_manager.settings import Settings


@dataclass(frozen=True, slots=True)
class Failover:
    """``tasks`` run under supervision in the process that serves; ``close`` is the end. ``hear``: have the traps that
    come in be evidence."""

    watcher: Watcher
    platforms: Platforms
    poller: LinePoller
    tasks: Mapping[str, Callable[[], Awaitable[None]]]
    close: Callable[[], Awaitable[None]]
    hear: Callable[[Traps], None]
    lines: LineStore


@dataclass(frozen=True, slots=True)
class Hands:
    """What of the rest of the process fail-over works with."""

    pushing: CommitPath
    pushes: Pushes
    worker: ShardWorker
    outside: Outside
    ssh: SshSessions
    poller: SnmpPoller
    metrics: Metrics
    lines: LineStore


def failover(settings: Settings, database: Database, hands: Hands) -> Failover:
    """Raises ``InputError`` for a policy that is none."""
    outside, clock = hands.outside, hands.outside.clock
    policy = policy_of(settings.failover_policy)
    platforms = PlatformFile(settings.platforms, hands.ssh, clock)
    stores = PushStores(database.pushes, database.inventory, database.backups)
    rules = SwiftRules(settings.failover_warm_sessions, settings.failover_renew_seconds)
    barrier = Barrier(settings.failover_voice_sip, settings.failover_voice_rtp)
    change = RouteChange(database.inventory, database.backups, outside, barrier)
    swift = SwiftPath(hands.pushing, stores, hands.worker, change, rules)
    echoes = IcmpEchoes()
    box = PushedBox(BoxParts(hands.pushes, database.inventory, outside, change, swift))
    conductor = Conductor(box, platforms, echoes, clock)
    parts = WatcherParts(hands.lines, conductor, clock, outside.ids, hands.metrics.lines, swift)
    watcher = Watcher(parts, WatcherRules(hands.worker.limits.owner, policy, settings.push_freezes))
    gets = SnmpGets(hands.poller)
    line_poller = SnmpLinePoller(gets, clock)
    senses = Senses(echoes, line_poller, TcpReach(), platforms)
    rhythm = Rhythm(fixed_source=settings.failover_fixed_source, mobile_source=settings.failover_mobile_source)
    sensing = Sensing(senses, watcher.observe, policy, clock, hands.metrics, rhythm)
    hands.worker.way.pressed = Pressure(watcher, sensing).reason
    heard: list[Trapped] = []
    ports = LinePorts(database.inventory, database.backups, outside.drivers, clock)
    lookers = Lookers(sensing, line_poller, heard, ports)
    looking = LineLooking(watcher, lookers, database.inventory, (outside.drivers, outside.credentials), clock)

    def hear(traps: Traps) -> None:
        evidence = TrapEvidence(line_poller, watcher.observe, sensing.hurry, traps.names.get)
        traps.watching = evidence.note
        heard.extend((evidence, traps.senders))

    async def close() -> None:
        echoes.close()
        gets.close()
        await platforms.close()

    tasks = {
        "lines": watcher.run,
        "line-sensing": sensing.run,
        "line-looking": looking.run,
        "ready-boxes": swift.run,
        "ready-platforms": Warmth(watcher, platforms, clock).run,
    }
    running = tasks if settings.failover_enabled else {}
    return Failover(watcher, platforms, line_poller, running, close, hear, hands.lines)


def line_service(settings: Settings, database: Database, outside: Outside, moving: Failover) -> Lines:
    test = TransferTest(settings.coverage_download_url, settings.coverage_upload_url, settings.coverage_seconds)
    goals = CoverageGoals(settings.coverage_signal_dbm, settings.coverage_down_mbps, settings.coverage_up_mbps)
    meter = BoxCoverage(database.inventory, outside, test, moving.poller)
    house = LineHouse(
        moving.platforms, meter, policy_of(settings.failover_policy), goals, settings.push_freezes, moving.watcher.nudge
    )
    return Lines(LineStores(moving.lines, database.inventory, database.events), outside.clock, house)
