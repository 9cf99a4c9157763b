"""Where a proof begins to read the log, and from where a later one must go on."""

from domain.errors import Invalid
from proof.findings import Check, Findings
from proof.limits import SKEW_S
from proof.payments import PaymentJoin
from proof.route import PAYMENTS
from proof.scope import US, Scope, Since, Vector, Vectors
from proof.vectors import Broker


async def begin_of(
    broker: Broker, vectors: Vectors, since: Since | None, findings: Findings
) -> Vector:
    """Where to begin reading; the offsets of the groups are checked on the way."""
    for group, topics in vectors.committed.items():
        for topic, offsets in topics.items():
            for partition, offset in enumerate(offsets):
                if offset > vectors.proven[topic][partition]:
                    findings.fault(
                        Check.OFFSETS,
                        f"{group} has committed {offset} of {topic}/{partition}, which ends "
                        f"at {vectors.proven[topic][partition]}",
                    )
    if since is None:
        return vectors.first
    early_ms = (since.snapshot_us - int(2 * SKEW_S * US)) // 1_000
    early = await broker.offsets_at(early_ms)
    begin: dict[str, list[int]] = {}
    for topic, firsts in vectors.first.items():
        if topic not in PAYMENTS:
            begin[topic] = list(firsts)
            continue
        resume, ends = since.resume.get(topic, []), vectors.proven[topic]
        if len(resume) != len(firsts) or any(
            proven > end for proven, end in zip(since.proven[topic], ends, strict=True)
        ):
            raise Invalid("report_of_another_log", "the report is of another log than this")
        if any(offset < first for offset, first in zip(resume, firsts, strict=True)):
            raise Invalid("report_too_old", "the log no longer holds what the report left open")
        begin[topic] = [
            max(min(pair), first) for *pair, first in zip(resume, early[topic], firsts, strict=True)
        ]
    return begin


def resume_of(scope: Scope, payments: PaymentJoin) -> dict[str, list[int]]:
    """From where a later proof must read, so that it sees all of what is unfinished."""
    resume = {topic: list(offsets) for topic, offsets in scope.vectors.proven.items()}
    for topics in scope.vectors.committed.values():
        for topic, offsets in topics.items():
            resume[topic] = [
                min(one, max(other, first))
                for one, other, first in zip(
                    resume[topic], offsets, scope.vectors.first[topic], strict=True
                )
            ]
    for (kind, partition), offset in payments.resume.items():
        topic = PAYMENTS[kind]
        resume[topic][partition] = min(resume[topic][partition], offset)
    return resume
