"""What the process says of itself: log lines and figures."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from cpe_manager.domain.errors import StoreBusy
from cpe_manager.kit.log_redaction import MASK, Redactor
from cpe_manager.ports.stores import DeviceStatus
from cpe_manager.runtime.logs import QUIET, configure, operation
from cpe_manager.runtime.metrics import Metrics

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream to configure logs to; what the library loggers were is put back."""
    root = logging.getLogger()
    names = (*QUIET, "uvicorn", "uvicorn.error", "uvicorn.access")
    before = {name: logging.getLogger(name) for name in names}
    kept = {name: (one.level, list(one.handlers), one.propagate) for name, one in before.items()}
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    for name, (was, had, goes_on) in kept.items():
        before[name].level, before[name].handlers, before[name].propagate = was, had, goes_on
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_one_json_object_with_time_and_level(stream: io.StringIO) -> None:
    configure("info", stream)
    structlog.get_logger().warning("a.thing", device="r1", text="line one\nline two")
    structlog.get_logger().debug("unheard")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["device"], line["text"]) == (
        "a.thing", "warning", "r1", "line one\nline two",
    )  # fmt: skip
    assert line["at"].endswith("Z")


def test_libraries_speak_through_the_same_stream_and_chatter_is_left_out(stream: io.StringIO) -> None:
    configure("info", stream)
    logging.getLogger("apscheduler.scheduler").info("chatter")
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("uvicorn.error").error("refused")
    try:
        raise ValueError("cause")
    except ValueError:
        logging.getLogger("asyncio").exception("task failed")
    found = lines(stream)
    assert [line["event"] for line in found] == ["refused", "task failed"]
    assert found[0]["logger"] == "uvicorn.error"
    assert "ValueError: cause" in found[1]["exception"]


def test_planted_secrets_do_not_come_through_ours_or_the_libraries_lines(stream: io.StringIO) -> None:
    configure("info", stream, redactor=Redactor(["s3cret-literal"]))
    try:
        raise ValueError("login with s3cret-literal refused")
    except ValueError:
        structlog.get_logger().exception("failed", password="another", detail={"note": "s3cret-literal"})
    logging.getLogger("asyncssh").warning("sent %s and token=%s", "s3cret-literal", "cpem_abcdef")
    text = stream.getvalue()
    for secret in ("s3cret-literal", "another", "cpem_abcdef"):
        assert secret not in text
    assert MASK in text
    assert len(lines(stream)) == 2


def test_an_operation_leaves_one_line_with_its_outcome_and_duration(stream: io.StringIO) -> None:
    configure("info", stream)
    ticks = iter([0.0, 1.5, 2.0, 2.25])
    with operation("chore", lambda: next(ticks), name="a") as gathered:
        gathered["rows"] = 3
    with pytest.raises(StoreBusy), operation("chore", lambda: next(ticks)):
        raise StoreBusy("locked")
    good, bad = lines(stream)
    assert (good["outcome"], good["ms"], good["rows"], good["name"]) == ("ok", 1500.0, 3, "a")
    assert (bad["outcome"], bad["ms"], bad["error"], bad["level"]) == ("store_busy", 250.0, "locked", "error")


def test_what_is_rendered_is_read_back_by_prometheus_own_parser() -> None:
    metrics = Metrics()
    metrics.identify(version="1", engine="embedded")
    metrics.attempt("frr_linux", "stored", "", 1.5)
    metrics.attempt("frr_linux", "failed", "timeout", 30)
    odd = 'a"b\\c\nd'
    good = DeviceStatus("1", last_success_at=NOW)
    bad = DeviceStatus("2", failures=2, last_error_code="timeout", overdue_since=NOW)
    metrics.refresh([(odd, "frr_linux", "g", good), ("r2", "", None, bad)], {"active": 2}, 1, 5)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    (sample,) = families["cpe_backup_last_success_timestamp_seconds"].samples
    assert sample.labels == {"device": odd, "family": "frr_linux", "group": "g"}
    assert sample.value == NOW.timestamp()
    assert families["cpe_backup_overdue_devices"].samples[0].value == 1
    assert families["cpe_backup_failing_devices"].samples[0].labels == {"family": "", "code": "timeout"}
    outcomes = {
        one.labels["outcome"]: one.value
        for one in families["cpe_backup_attempts"].samples
        if one.name.endswith("_total")
    }
    assert outcomes == {"stored": 1, "failed": 1}
    assert families["cpe_backup_duration_seconds"].type == "histogram"


def test_a_new_snapshot_replaces_the_old_one_as_a_whole() -> None:
    metrics = Metrics()
    metrics.refresh([("gone", "f", None, DeviceStatus("1", last_success_at=NOW))], {}, 0, 0)
    metrics.refresh([("here", "f", None, DeviceStatus("2", last_success_at=NOW))], {}, 0, 0)
    text = metrics.render().decode()
    assert 'device="here"' in text
    assert 'device="gone"' not in text


def test_two_processes_worth_of_metrics_live_side_by_side() -> None:
    first, second = Metrics(), Metrics()
    first.sessions(7)
    assert "cpe_manager_sessions 7.0" in first.render().decode()
    assert "cpe_manager_sessions 0.0" in second.render().decode()


def test_every_metric_that_is_rendered_is_documented() -> None:
    metrics = Metrics()
    metrics.identify(version="1", engine="e")
    metrics.attempt("f", "stored", "", 1)
    metrics.request("GET", "/x", 200)
    metrics.refresh([("r", "f", None, DeviceStatus("1", last_success_at=NOW))], {"active": 1}, 0, 0)
    described = {name: labels for name, _, labels, _ in metrics.described()}
    for family in text_string_to_metric_families(metrics.render().decode()):
        if family.name.startswith("process_") or family.name.endswith("_created"):
            continue
        suffix = {"counter": "_total"}.get(family.type, "")
        labels = described[family.name + suffix]
        for sample in family.samples:
            shown = sorted(set(sample.labels) - {"le"})
            if sample.value or shown:
                assert shown == sorted(filter(None, labels.split(", "))), sample
