"""The join by payment: all its events, and its row in the payments table.

What the money should be is computed here from the events alone: the amount from what was asked for,
the accounts from what the handles were resolved to.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from proof.body import ZERO_ID, digest_of, name_of
from proof.findings import Check, Findings
from proof.relations import (
    ASIDE,
    DEMANDED,
    FRESH,
    IN_LOG,
    NEEDED,
    NEVER_US,
    PROJECTED,
    SETTLED,
    PaymentFact,
    PaymentRow,
    Relations,
    payment_facts,
    payment_rows,
)
from proof.route import PAYMENTS
from proof.scope import Scope

_REQUESTED, _RESOLVED, _SCREENED, _POSTED, _REFUSED, _CONFLICTED = range(len(PAYMENTS))
_NAMES: Final = [topic.split(".")[1] for topic in PAYMENTS]
_NOTHING: Final = digest_of("")

Events = Sequence[PaymentFact]


class PaymentJoin:
    """Joins all parts; remembers which payments have not ended."""

    def __init__(self, scope: Scope, relations: Relations, findings: Findings) -> None:
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self.open: list[bytes] = []
        self.unprojected: list[bytes] = []
        """Payments without a row among those read, which has to be looked up."""
        self.resume: dict[tuple[int, int], int] = {}
        """By kind and partition the first record of an unfinished payment."""

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        by_payment: dict[bytes, list[PaymentFact]] = defaultdict(list)
        for fact in payment_facts(self._relations.payments, part):
            if not fact.flags & ASIDE:
                by_payment[fact.payment_id].append(fact)
        rows = payment_rows(self._relations.rows, part)
        self._findings.looked(Check.PROJECTED, len(rows))
        for payment_id, events in by_payment.items():
            row = rows.pop(payment_id, None)
            self._flow(payment_id, events, row)
            self.project(payment_id, events, row)
        for payment_id, row in rows.items():
            self.project(payment_id, [], row)

    def events_of(self, payment_id: bytes) -> list[PaymentFact]:
        """All events of one payment, those included that were set aside."""
        facts = payment_facts(self._relations.payments, payment_id[15])
        return [fact for fact in facts if fact.payment_id == payment_id]

    def _flow(self, payment_id: bytes, events: Events, row: PaymentRow | None) -> None:
        kinds: list[list[PaymentFact]] = [[] for _ in PAYMENTS]
        for event in events:
            kinds[event.kind].append(event)
        ended = bool(kinds[_POSTED] or kinds[_REFUSED])
        if kinds[_REQUESTED]:
            self._end(payment_id, kinds, row, ended=ended)
        self._way(payment_id, kinds)
        self._money(payment_id, kinds)
        if not ended or not all(event.flags & SETTLED for event in events):
            self.open.append(payment_id)
            for event in events:
                place = event.kind, event.partition
                self.resume[place] = min(self.resume.get(place, event.offset), event.offset)

    def _end(
        self,
        payment_id: bytes,
        kinds: Sequence[Events],
        row: PaymentRow | None,
        *,
        ended: bool,
    ) -> None:
        since = self._scope.since
        fresh = any(event.flags & FRESH for event in kinds[_REQUESTED])
        if not fresh and since is not None and payment_id not in since.open_payments:
            return
        self._findings.looked(Check.ENDS)
        ends = {event.event_id for event in _settled([*kinds[_POSTED], *kinds[_REFUSED]])}
        if len(ends) > 1:
            names = sorted({_NAMES[event.kind] for event in (*kinds[_POSTED], *kinds[_REFUSED])})
            self._findings.fault(
                Check.ENDS,
                f"has ended {len(ends)} times: {' and '.join(names)}",
                subject=payment_id,
            )
        if ended or self._ended_long_ago(row):
            return
        self._findings.note("payments under way")
        began_us = min(event.appended_ms for event in kinds[_REQUESTED]) * 1_000
        if self._scope.is_late(began_us):
            age_s = (self._scope.read_at_us - began_us) / 1e6
            self._findings.fault(
                Check.ENDS, f"was accepted {age_s:,.0f} s ago and has not ended", subject=payment_id
            )

    def _ended_long_ago(self, row: PaymentRow | None) -> bool:
        """Whether a repeat of its request has outlived the events of its end."""
        if row is None:
            return False
        return any(
            row.times_us[kind] != NEVER_US
            and self._scope.may_be_gone([PAYMENTS[kind]], row.times_us[kind])
            for kind in (_POSTED, _REFUSED)
        )

    def _way(self, payment_id: bytes, kinds: Sequence[Events]) -> None:
        """Each state is entered once, and all say the same money."""
        settled = [_settled(events) for events in kinds]
        self._findings.looked(Check.ONE_WAY, sum(map(len, settled)))
        for kind in (_RESOLVED, _SCREENED):
            if len(settled[kind]) > 1 and len({event.event_id for event in settled[kind]}) > 1:
                self._way_fault(payment_id, f"was {_NAMES[kind]} more than once")
        if len(settled[_REQUESTED]) > 1:
            bodies = {event.event_id: event.said.digest for event in settled[_REQUESTED]}
            if any(bodies[event.event_id] != event.said.digest for event in settled[_REQUESTED]):
                self._way_fault(payment_id, "was requested with two bodies under one event id")
        asked = {(event.said.amount_minor, event.said.currency) for event in kinds[_REQUESTED]}
        between = {(event.said.one, event.said.two) for event in kinds[_RESOLVED]}
        for kind in (_RESOLVED, _SCREENED, _POSTED):
            for event in settled[kind]:
                said = event.said
                if asked and (said.amount_minor, said.currency) not in asked:
                    self._way_fault(
                        payment_id,
                        f"was {_NAMES[kind]} with {said.amount_minor} {said.currency.decode()}, "
                        "which nobody asked for",
                    )
                if between and (said.one, said.two) not in between:
                    self._way_fault(
                        payment_id,
                        f"was {_NAMES[kind]} between other accounts than its handles named",
                    )

    def _way_fault(self, payment_id: bytes, what: str) -> None:
        self._findings.fault(Check.ONE_WAY, what, subject=payment_id)

    def _money(self, payment_id: bytes, kinds: Sequence[Events]) -> None:
        """The entries that the events ask for, and the names that they rely on."""
        relations = self._relations
        resolved = kinds[_RESOLVED][0].said if kinds[_RESOLVED] else None
        bodies = {event.said.digest: event.said for event in kinds[_REQUESTED]}
        asked = next(iter(bodies.values())) if len(bodies) == 1 else None
        for event in kinds[_POSTED]:
            said = event.said
            amount_minor, currency = said.amount_minor, said.currency
            payer, payee = said.one, said.two
            if asked is not None:
                amount_minor, currency = asked.amount_minor, asked.currency
            if resolved is not None:
                payer, payee = resolved.one, resolved.two
            must = event.flags & (SETTLED | FRESH) == SETTLED | FRESH
            flags = DEMANDED if must else 0
            for account, signed_minor in ((payer, -amount_minor), (payee, amount_minor)):
                relations.add_expected(
                    said.more, account, signed_minor, currency, payment_id, flags
                )
        for event in kinds[_RESOLVED]:
            if asked is not None and event.flags & FRESH:
                said = event.said
                for handle, account, place in ((asked.one, said.one, 0), (asked.two, said.two, 8)):
                    version = int.from_bytes(said.more[place : place + 8], "big")
                    name = name_of(handle, version, account, said.currency.decode())
                    relations.add_fact(name, payment_id, IN_LOG | NEEDED)

    def project(
        self, payment_id: bytes, events: Events, row: PaymentRow | None, *, is_last: bool = False
    ) -> None:
        """Compare the events with the row; `is_last` when there is none to be looked up."""
        if row is None:
            if any(event.flags & PROJECTED for event in events):
                if is_last:
                    self._row_fault(payment_id, "has no row, and its events are committed past")
                else:
                    self.unprojected.append(payment_id)
            return
        for kind, at_us in enumerate(row.times_us):
            self._times(payment_id, [event for event in events if event.kind == kind], kind, at_us)
        self._columns(payment_id, events, row)

    def _times(self, payment_id: bytes, events: Events, kind: int, at_us: int) -> None:
        name = _NAMES[kind]
        must = [event.time_us for event in events if event.flags & PROJECTED]
        if must and (at_us == NEVER_US or at_us > min(must)):
            self._row_fault(payment_id, f"is {name} in the log, and the row does not say so")
        if at_us == NEVER_US or at_us in {event.time_us for event in events}:
            return
        if self._scope.may_be_gone([PAYMENTS[kind]], at_us):
            self._findings.note("facts of rows older than the log")
        elif at_us >= self._scope.window_us:
            self._row_fault(payment_id, f"is {name} in its row, and no event says so at that time")

    def _columns(self, payment_id: bytes, events: Events, row: PaymentRow) -> None:
        wanted = {
            "body": (row.body, {e.said.digest for e in events if e.kind == _REQUESTED}, _NOTHING),
            "posting": (
                row.posting_id,
                {e.said.more for e in events if e.kind == _POSTED},
                ZERO_ID,
            ),
            "payer": (row.payer, {e.said.one for e in events if e.kind == _RESOLVED}, ZERO_ID),
            "payee": (row.payee, {e.said.two for e in events if e.kind == _RESOLVED}, ZERO_ID),
            "reason": (row.reason, {e.said.digest for e in events if e.kind == _REFUSED}, ZERO_ID),
        }
        for name, (found, said, nothing) in wanted.items():
            if said and found not in said and found != nothing:
                self._row_fault(payment_id, f"has another {name} in its row than in its events")

    def _row_fault(self, payment_id: bytes, what: str) -> None:
        self._findings.fault(Check.PROJECTED, what, subject=payment_id)


def _settled(events: Events) -> list[PaymentFact]:
    return [event for event in events if event.flags & SETTLED]
