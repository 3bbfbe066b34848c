"""Example faults with parameters, for tests that run each of them against each family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.faults import kinds
from simulators.faults.kinds import Fault


@dataclass(frozen=True, slots=True)
class FaultCase:
    """One example. benign: a correct client still gets the complete, true configuration; otherwise it must not
    believe that it has one. silences: the box goes quiet, a client notices by its own deadline alone."""

    id: str
    fault: Fault
    silences: bool = False

    @property
    def benign(self) -> bool:
        return self.fault.benign


def fault_roster() -> Iterator[FaultCase]:
    """Every fault at least once, with parameters that make it bite at any configuration size from 1 KB on."""
    yield FaultCase("refuse", kinds.Refuse())
    yield FaultCase("refuse-port-closed", kinds.Refuse(how="refused"))
    yield FaultCase("banner_hang", kinds.BannerHang(), silences=True)
    yield FaultCase("host_key_changed", kinds.HostKeyChanged())
    yield FaultCase("auth_failure", kinds.AuthFailure())
    yield FaultCase("slow", kinds.Slow(chunk=512, delay=0.01))
    yield FaultCase("split_reads", kinds.SplitReads())
    yield FaultCase("wrong_prompt", kinds.WrongPrompt())
    yield FaultCase("lost_echo", kinds.LostEcho())
    yield FaultCase("ansi", kinds.Ansi())
    yield FaultCase("cursor_query", kinds.CursorQuery())
    yield FaultCase("no_pager_off", kinds.NoPagerOff())
    yield FaultCase("hang_at-start", kinds.HangAt(at=1), silences=True)
    yield FaultCase("hang_at-middle", kinds.HangAt(at=0.6), silences=True)
    yield FaultCase("drop_at", kinds.DropAt(at=0.6))
    yield FaultCase("eof_at-status-0", kinds.EofAt(at=0.6))
    yield FaultCase("eof_at-no-status", kinds.EofAt(at=0.6, exit_status=-1))
    yield FaultCase("reboot", kinds.Restart(at=0.5))
    yield FaultCase("truncate-bytes", kinds.Truncate(at=0.7))
    yield FaultCase("truncate-lines", kinds.Truncate(at=0.7, unit="lines"))
    yield FaultCase("truncate-last-line", kinds.Truncate(at=0.999, unit="lines"))
    yield FaultCase("truncate-keeps-end", kinds.Truncate(at=0.3, unit="lines", keep_end=True))
    yield FaultCase("foreign_config", kinds.ForeignConfig())
    yield FaultCase("shrunk", kinds.Shrunk())
    yield FaultCase("error_reply", kinds.ErrorReply())
    yield FaultCase("empty", kinds.Empty())
    yield FaultCase("garbage", kinds.Garbage())
    yield FaultCase("syslog_noise", kinds.SyslogNoise())
    yield FaultCase("syslog_noise-mid-line", kinds.SyslogNoise(mid_line=True))
    yield FaultCase("drop_at_command", kinds.DropAtCommand())
    yield FaultCase("drop_at_command-done", kinds.DropAtCommand(done=True))
    yield FaultCase("cut_at_command", kinds.CutAtCommand(down=0))
    yield FaultCase("restart_at_command", kinds.RestartAtCommand())
    yield FaultCase("reject_command", kinds.RejectCommand(commands=0))
    yield FaultCase("flash_full", kinds.FlashFull())
    yield FaultCase("stall_at_command", kinds.StallAtCommand(delay=0.05))
    yield FaultCase("stall_at_command-done", kinds.StallAtCommand(delay=0.05, done=True))
    yield FaultCase("duplicate_prompt_in_config", kinds.PromptInConfig())
