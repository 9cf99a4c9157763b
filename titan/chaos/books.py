"""The check after all faults: what Titan promised, held against log, tables and clients.

It uses nothing that decides in Titan: it reads bytes, rows and what clients wrote down.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.errors import TitanError
from runtime.clock import SystemClock
from titan.chaos.check_flow import FINAL, FINAL_S_MAX, flow_faults
from titan.chaos.check_ledger import ledger_faults
from titan.chaos.check_letters import letter_faults
from titan.chaos.check_projections import projection_faults
from titan.chaos.check_telling import notification_faults, webhook_faults
from titan.chaos.evidence import Evidence, Fault
from titan.chaos.garbage import Garbage
from titan.chaos.history import History
from titan.chaos.raw_log import RawLog
from titan.chaos.told import Hearing

CHECKS: Final = (
    *(flow_faults, ledger_faults, projection_faults, letter_faults),
    *(webhook_faults, notification_faults),
)
_AGAIN_S: Final = 0.25
_SHOWN_MAX: Final = 10


@dataclass(frozen=True)
class Books:
    """What was checked and found right."""

    payments: int
    ended: Counter[str]
    """How many payments ended as posted, or refused with which code."""
    repeats: int
    """Records that say again what another had said: where something had died."""
    slowest_s: float
    """The longest from acceptance to the end."""

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {how}" for how, count in self.ended.most_common())
        return (
            f"{self.payments} payments: {ended}; {self.repeats} repeats in the log;"
            f" {self.slowest_s:.1f} s at most"
        )


class BrokenPromiseError(TitanError):
    """Something is not as Titan promised; the message tells the gravest case and its timeline."""


async def check(
    history: History,
    garbage: Sequence[Garbage],
    *,
    bootstrap: str,
    dsn: str,
    hear: Callable[[], Hearing] = Hearing,
) -> tuple[Books, Evidence]:
    """Read everything from the first record on, until all is settled.

    BrokenPromiseError if something is wrong, or has not come right FINAL_S_MAX from now.
    """
    clock = SystemClock()
    late_s = clock.monotonic_s() + FINAL_S_MAX
    evidence = Evidence(history, {each.place: each for each in garbage})
    raw_log = RawLog(bootstrap, unreadable={each.place for each in garbage if not each.is_readable})
    try:
        await raw_log.start()
        while True:
            is_late = clock.monotonic_s() > late_s
            async for records in raw_log.read_on():
                evidence.add(records)
            await evidence.read_tables(dsn)
            # Last: what the tables say to be delivered was heard before.
            evidence.hearing = hear()
            # In a thread: fetches that wait meanwhile must not time out.
            faults = await asyncio.to_thread(_faults, evidence)
            if not faults:
                return summary(evidence), evidence
            if is_late or not all(fault.heals for fault in faults):
                raise BrokenPromiseError(report(evidence, faults))
            await clock.sleep(_AGAIN_S)
    finally:
        await raw_log.stop()


def _faults(evidence: Evidence) -> list[Fault]:
    return [fault for look in CHECKS for fault in look(evidence)]


def report(evidence: Evidence, faults: Sequence[Fault]) -> str:
    """The gravest fault with its payment's timeline, then the others in a line each."""
    first, *others = sorted(faults, key=lambda fault: fault.heals)
    lines = [_line(first)]
    if first.payment_id is not None:
        lines.append(evidence.timeline(first.payment_id))
    return "\n".join([*lines, f"Others: {len(others)}", *map(_line, others[:_SHOWN_MAX])])


def _line(fault: Fault) -> str:
    return fault.what if fault.payment_id is None else f"{fault.payment_id} {fault.what}"


def summary(evidence: Evidence) -> Books:
    """What sound evidence comes to."""
    ended: Counter[str] = Counter()
    ends: dict[UUID, int] = {}
    records, ids = 0, set()
    for payment_id, facts in evidence.payments.items():
        final = [fact for fact in facts if fact.name in FINAL]
        code = final[0].body.get("code", "")
        ended[f"{final[0].name} {code}".strip()] += 1
        records += len(facts)
        ids |= {fact.event_id for fact in facts}
        ends[payment_id] = min(fact.appended_at_ms for fact in final)
    took_s = [
        ends[intent.payment_id] / 1000 - intent.accepted_at_s
        for intent in evidence.history.intents
        if intent.payment_id is not None and intent.accepted_at_s is not None
    ]
    return Books(len(ends), ended, records - len(ids), max(took_s, default=0.0))
