"""What a campaign must have met to have shown anything: each from evidence, none from intent."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from titan.chaos.evidence import Evidence


class Sight(StrEnum):
    """Something that happened at least once, or the run has not shown what it is there for."""

    DUPLICATE = "duplicate delivery ignored"
    REFUSED = "write refused, for it was decided before"
    UNKNOWN = "unknown publish resolved"
    REBALANCE = "rebalance in the middle of a batch"
    COMMIT = "reply to COMMIT lost"
    PUBLISH = "reply to a publish lost"
    OFFSETS = "reply to an offset commit lost"
    ANSWER = "answer to a client lost"
    STALE_OFFSETS = "offset commit of a former member refused"
    TRIED_AGAIN = "batch tried again"
    REUSED = "other body under a used key refused"
    CONFLICT = "other body under a used key let in, and ignored"
    SET_ASIDE = "garbage set aside"
    DISK = "write refused by a full disk"
    RESUMED = "client went on from its journal"
    TOLD_AGAIN = "event told again under its id"


ESSENTIAL: Final = (Sight.DUPLICATE, Sight.REFUSED, Sight.UNKNOWN, Sight.REBALANCE, Sight.COMMIT)

_DECIDED_ON: Final = frozenset({"requested", "resolved", "screened"})
_KEY_REUSED: Final = "422 idempotency_key_reuse"


def from_evidence(evidence: Evidence) -> dict[Sight, int]:
    """What log, tables and clients tell; each payment in it has ended once."""
    sights: Counter[Sight] = Counter()
    for facts in evidence.payments.values():
        # Each of these has a deciding reader, which met the same event again.
        decided = [fact.event_id for fact in facts if fact.name in _DECIDED_ON]
        sights[Sight.DUPLICATE] += len(decided) - len(set(decided))
        sights[Sight.CONFLICT] += any(fact.name == "conflicted" for fact in facts)
    sights[Sight.SET_ASIDE] = len(evidence.letters)
    heard = Counter((each.endpoint_id, each.message_id) for each in evidence.hearing.heard)
    sights[Sight.TOLD_AGAIN] = sum(count > 1 for count in heard.values())
    for intent in evidence.history.intents:
        sights[Sight.REUSED] += intent.refused_as == _KEY_REUSED
        if intent.payment_id is None or not intent.was_unknown:
            continue
        asked_ms = min(
            fact.appended_at_ms
            for fact in evidence.payments[intent.payment_id]
            if fact.name == "requested"
        )
        # It was in the log when the client was told nothing sure, and was taken once. That may be
        # a later try than the first.
        doubts_s = [at_s for at_s, what in intent.notes if what.startswith("unknown")]
        sights[Sight.UNKNOWN] += asked_ms / 1000 <= max(doubts_s)
    return dict(sights)


def from_logs(directory: Path) -> dict[Sight, int]:
    """What the stages said of themselves."""
    sights: Counter[Sight] = Counter()
    for entry in _entries(directory.glob("*.log*")):
        match entry:
            case {"event": "unavailable", "error": str(error)}:
                sights[Sight.TRIED_AGAIN] += 1
                sights[Sight.REFUSED] += "decided before" in error
                sights[Sight.DISK] += "DiskFull" in error
            case {"event": "decided_before"}:
                sights[Sight.REFUSED] += 1
            case {"event": "commit_failed"}:
                sights[Sight.STALE_OFFSETS] += 1
            case {"event": "rebalance_waits_for_batch"}:
                sights[Sight.REBALANCE] += 1
    return dict(sights)


def _entries(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                # Most lines say nothing of this; whoever was killed may have left half of one.
                try:
                    entry = json.loads(line) if line.startswith(b"{") else None
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry
