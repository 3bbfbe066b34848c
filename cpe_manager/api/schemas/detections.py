"""Detections: which family is at an address, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from cpe_manager.api.schemas.common import Body, View
from cpe_manager.domain.fleet.recognition import Candidate, Evidence, Verdict
from cpe_manager.ports.driver import Facts


class DetectionBody(Body):
    """What is left out is the group's, as with a device that is added there."""

    address: str = Field(description="IPv4, IPv6 or host name")
    port: int | None = Field(default=None, ge=1, le=65535)
    credential: str | None = Field(default=None, description="Name of the log-in; its password is offered once")
    group: str | None = None


class ReasonView(View):
    source: str = Field(description="sys_object_id, sys_descr, banner, prompt, ssh_version or answer")
    seen: str = Field(description="The words that were seen")
    strong: bool = Field(description="Whether it may decide; a prompt and a server's name never do")


class CandidateView(View):
    family: str
    score: int
    against: str = Field(description="Why it is out all the same; empty when it is not")
    reasons: list[ReasonView]

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateView:
        return cls.model_validate(candidate)


class FactsView(View):
    """What the box said of itself; empty where it did not say."""

    hostname: str
    model: str
    serial: str
    os_release: str


class Detection(Protocol):
    """A detection as the service gives it; a client does not need the service."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def credential(self) -> str: ...
    @property
    def host_key(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def evidence(self) -> Evidence: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def facts(self) -> Facts | None: ...


class DetectionView(View):
    """``family`` is null when it is not sure; then ``candidates`` are what it might be, and ``why`` says what lacks."""

    address: str
    port: int
    credential: str
    family: str | None
    why: str
    candidates: list[CandidateView]
    facts: FactsView | None
    host_key: str = Field(description="As the box showed it; give it to addDevice, and it is pinned")
    fingerprint: str
    ssh_version: str
    banner: str
    prompt: str
    sys_object_id: str
    sys_descr: str

    @classmethod
    def of(cls, found: Detection) -> DetectionView:
        evidence, candidates = found.evidence, found.verdict.candidates
        return cls(
            address=found.address,
            port=found.port,
            credential=found.credential,
            family=found.verdict.family,
            why=found.verdict.why,
            candidates=_candidates(candidates),
            facts=FactsView.model_validate(found.facts) if found.facts else None,
            host_key=found.host_key,
            fingerprint=found.fingerprint,
            ssh_version=evidence.ssh_version,
            banner=evidence.banner,
            prompt=evidence.prompt,
            sys_object_id=evidence.sys_object_id,
            sys_descr=evidence.sys_descr,
        )


def _candidates(found: Sequence[Candidate]) -> list[CandidateView]:
    return [CandidateView.of(candidate) for candidate in found]
