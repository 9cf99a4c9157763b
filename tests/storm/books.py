"""The check after each storm: what Titan promised, held against log, tables and clients.

It uses nothing that decides in Titan: it reads bytes, rows and what clients wrote down.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.storm.check_flow import FINAL_S_MAX, flow_faults
from tests.storm.check_ledger import ledger_faults
from tests.storm.check_letters import letter_faults
from tests.storm.check_projections import projection_faults
from tests.storm.evidence import Evidence, Fault
from tests.storm.place import Storm
from tests.storm.raw_log import RawLog

CHECKS: Final = (flow_faults, ledger_faults, projection_faults, letter_faults)
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


async def check(storm: Storm) -> Books:
    """Read everything from the first record on, until all is settled; AssertionError if not."""
    addresses = storm.titan.addresses
    evidence = Evidence(
        storm.client.history, storm.accounts, {each.place: each for each in storm.garbage}
    )
    unreadable = {each.place for each in storm.garbage if not each.is_readable}
    raw_log = RawLog(addresses.kafka_bootstrap, unreadable=unreadable)
    try:
        await raw_log.start()
        loop = asyncio.get_running_loop()
        late_s = loop.time() + FINAL_S_MAX
        while True:
            evidence.add(await raw_log.read_on())
            await evidence.read_tables(addresses.postgres_dsn)
            faults = [fault for look in CHECKS for fault in look(evidence)]
            if not faults:
                books = _summary(evidence)
                storm.tell(f" {books}")
                return books
            if loop.time() > late_s or not all(fault.heals for fault in faults):
                raise AssertionError(report(evidence, faults, said=storm.said))
            await asyncio.sleep(_AGAIN_S)
    finally:
        await raw_log.stop()


def report(evidence: Evidence, faults: Sequence[Fault], *, said: Sequence[str]) -> str:
    """The gravest fault with its payment's timeline, then the others in a line each."""
    first, *others = sorted(faults, key=lambda fault: fault.heals)
    lines = [_line(first)]
    if first.payment_id is not None:
        lines.append(evidence.timeline(first.payment_id))
    lines += [f"Others: {len(others)}", *map(_line, others[:_SHOWN_MAX])]
    return "\n".join([*lines, "What the supervisor said:", *said])


def _line(fault: Fault) -> str:
    return fault.what if fault.payment_id is None else f"{fault.payment_id} {fault.what}"


def _summary(evidence: Evidence) -> Books:
    ended: Counter[str] = Counter()
    slowest_s = 0.0
    records, ids = 0, set()
    ends: dict[object, int] = {}
    for payment_id, facts in evidence.payments.items():
        [(name, code)] = {
            (fact.name, fact.body.get("code", ""))
            for fact in facts
            if fact.name in {"posted", "refused"}
        }
        ended[f"{name} {code}".strip()] += 1
        records += len(facts)
        ids |= {fact.event_id for fact in facts}
        ends[payment_id] = min(
            fact.record.appended_at_ms for fact in facts if fact.name in {"posted", "refused"}
        )
    for intent in evidence.history.intents:
        if intent.payment_id is not None and intent.accepted_at_s is not None:
            slowest_s = max(slowest_s, ends[intent.payment_id] / 1000 - intent.accepted_at_s)
    return Books(len(evidence.payments), ended, records - len(ids), slowest_s)
