"""Run a stage's decide over past events under other limits, and tell what would have differed.

The facts are recomputed from the log: a payer's tier (replay/tiers.py); what they had sent before
the range from what was decided then; within the range from what the other limits decide. This is
the only module beside the stages that knows one's decide: to run anything else would prove nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from consumers.risk_screening.decide import PayerState, decide
from domain.limits import ANY_CURRENCY, RiskLimits, TierLimits, Velocity
from domain.payment import RefusalCode
from replay.log import to_ms
from replay.projection import Understanding
from replay.source import Source
from replay.tiers import TOPICS as TIER_TOPICS
from replay.tiers import Tiers, tiers_of
from replay.vector import Place, Vector, places_of, record_count
from runtime.topics import topic_map
from schemas.event import Delivered, Position
from schemas.payment import PaymentRefused, PaymentResolved, PaymentScreened

SCREENED: Final = "screened"
"""What a decision is called that let the payment through; a refusal is called by its code."""

_SOURCE: Final = "titan/consumers/risk_screening"
_ENOUGH: Final = 10**18
"""More than anybody can send: a limit that never holds."""


@dataclass(frozen=True, slots=True)
class Example:
    """One payment that would have been decided otherwise."""

    payment_id: UUID
    payer_account_id: UUID
    amount_minor: int
    currency: str
    accepted_at: datetime
    was: str
    would_be: str
    position: Position


@dataclass(slots=True)
class Difference:
    """All payments of one currency that would have gone from one decision to another."""

    was: str
    would_be: str
    currency: str
    payments: int = 0
    amount_minor: int = 0


@dataclass(slots=True)
class Shadow:
    """What a run came to. Every payment of the range is in one of the first three counts."""

    decided_alike: int = 0
    undecided: int = 0
    """Resolved, and the stage has not published its decision yet."""
    not_by_limits: int = 0
    """Refused because nobody had opened the payer's account."""
    before: int = 0
    """Payments before the range, for what their payers had sent."""
    differences: dict[tuple[str, str, str], Difference] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    @property
    def different(self) -> int:
        """Payments that would have been decided otherwise."""
        return sum(each.payments for each in self.differences.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: which limits instead of `present`, for what was resolved from when to when."""

    limits: RiskLimits
    present: RiskLimits
    begin: datetime
    end: datetime
    """Not included. Both by the broker's clock, of payment.resolved."""
    examples_max: int


async def shadow(
    source: Source,
    question: Question,
    *,
    on_total: Callable[[int], None],
    on_progress: Callable[[int], None],
) -> Shadow:
    """Every decision of the range that would have differed; publishes and writes nothing."""
    topics = [each.TOPIC for each in (PaymentResolved, PaymentScreened, PaymentRefused)]
    places = places_of(topics)
    await source.demand_whole([*places, *places_of(TIER_TOPICS)])
    # Resolved first: what was decided of those before this end lies before the ends that follow.
    end = await source.at(places_of([PaymentResolved.TOPIC]), question.end)
    end |= await source.end([place for place in places if place not in end])
    on_total(record_count({}, end))
    tiers = await tiers_of(source)
    found = Shadow()
    for number in range(topic_map()[PaymentResolved.TOPIC].partitions):
        # All of one payer lies in partitions of one number: so one number at a time is enough.
        decided = await _decided(source, number, end, on_progress)
        run = _Run(question, tiers, decided, found)
        place = Place(PaymentResolved.TOPIC, number)
        understanding = Understanding()
        async for _, records in source.read({}, {place: end[place]}):
            on_progress(len(records))
            for record in records:
                delivered = understanding(place.topic, record)
                if delivered is not None:
                    run.see(delivered, record.timestamp)
    return found


async def _decided(
    source: Source, number: int, end: Vector, on_progress: Callable[[int], None]
) -> dict[UUID, str]:
    """What risk screening said, by the id of the event that it decided about."""
    understanding = Understanding()
    decided: dict[UUID, str] = {}
    places = [Place(each.TOPIC, number) for each in (PaymentScreened, PaymentRefused)]
    async for place, records in source.read({}, {place: end[place] for place in places}):
        on_progress(len(records))
        for record in records:
            delivered = understanding(place.topic, record)
            if delivered is None or delivered.envelope.source != _SOURCE:
                continue
            cause = delivered.envelope.causation_id
            if cause is not None:
                decided[cause] = _named(delivered.event)
    return decided


def _named(event: PaymentScreened | PaymentRefused) -> str:
    return event.code.value if isinstance(event, PaymentRefused) else SCREENED


class _Run:
    """One partition's payments in their order."""

    def __init__(
        self,
        question: Question,
        tiers: Tiers,
        decided: Mapping[UUID, str],
        found: Shadow,
    ) -> None:
        self._question = question
        self._decided = decided
        self._found = found
        self._begin_ms, self._end_ms = to_ms(question.begin), to_ms(question.end)
        self._always = _with_limit(question.present, _ENOUGH)
        self._never = _with_limit(question.present, 0)
        self._seen: set[UUID] = set()
        self._states: dict[UUID, PayerState] = defaultdict()
        self._tiers = tiers

    def see(self, delivered: Delivered[Any], appended_ms: int) -> None:
        """Take the next payment; a repeat was not decided again then, and is not now."""
        idempotency_id = delivered.envelope.idempotency_id
        if idempotency_id in self._seen or appended_ms >= self._end_ms:
            return
        self._seen.add(idempotency_id)
        event: PaymentResolved = delivered.event
        was = self._decided.get(delivered.envelope.event_id)
        tier = self._tiers.at(event.payer_account_id, appended_ms)
        if tier is None or was == RefusalCode.UNKNOWN_ACCOUNT:
            self._found.not_by_limits += appended_ms >= self._begin_ms
            return
        payer = replace(self._states.get(event.payer_account_id) or PayerState(tier), tier=tier)
        if appended_ms < self._begin_ms:
            # As it was decided then, whatever the limits were: only the roll of days and windows
            # is the present limits'.
            limits = self._always if was in {SCREENED, None} else self._never
            _, self._states[event.payer_account_id] = decide(event, payer, limits)
            self._found.before += 1
            return
        outcome, self._states[event.payer_account_id] = decide(event, payer, self._question.limits)
        self._compare(delivered, was, _named(outcome))

    def _compare(self, delivered: Delivered[Any], was: str | None, would_be: str) -> None:
        found, event = self._found, delivered.event
        if was is None:
            found.undecided += 1
        elif was == would_be:
            found.decided_alike += 1
        else:
            key = (was, would_be, event.currency)
            difference = found.differences.setdefault(key, Difference(*key))
            difference.payments += 1
            difference.amount_minor += event.amount_minor
            if len(found.examples) < self._question.examples_max:
                found.examples.append(
                    Example(
                        event.payment_id,
                        event.payer_account_id,
                        event.amount_minor,
                        event.currency,
                        event.accepted_at,
                        was,
                        would_be,
                        delivered.position,
                    )
                )


def _with_limit(limits: RiskLimits, minor_max: int) -> RiskLimits:
    """The same tiers and windows with one limit for every amount: let all through, or nothing."""
    table = {ANY_CURRENCY: minor_max}
    return RiskLimits(
        tiers={
            name: TierLimits(
                payment_amount_minor_max=table,
                daily_amount_minor_max={ANY_CURRENCY: _ENOUGH},
                velocity=tier.velocity
                and Velocity(payments_max=_ENOUGH, window_s=tier.velocity.window_s),
            )
            for name, tier in limits.tiers.items()
        },
        unlimited=limits.unlimited,
    )
