"""The join by payment: all its events, and its row in the payments table.

What the money should be is computed here from the events alone: the amount from what was asked for,
the accounts from what the handles were resolved to.
"""

from collections import defaultdict
from typing import Final

from proof.body import ZERO_ID, digest_of, name_of
from proof.findings import Check, Findings
from proof.notices import Notices
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
from proof.telling import Telling

_REQUESTED, _RESOLVED, _SCREENED, _POSTED, _REFUSED, _CONFLICTED = range(len(PAYMENTS))
_NAMES: Final = [topic.split(".")[1] for topic in PAYMENTS]
_COLUMNS: Final = {
    "payer": PaymentFact._fields.index("one"),
    "payee": PaymentFact._fields.index("two"),
    "posting": PaymentFact._fields.index("more"),
    "reason": PaymentFact._fields.index("digest"),
    "body": PaymentFact._fields.index("digest"),
}
"""Where an event has what a column of the row repeats."""
_NOTHING: Final = digest_of("")

Events = list[PaymentFact]
Kinds = list[Events]


class PaymentJoin:
    """Joins all parts; remembers which payments have not ended."""

    def __init__(
        self,
        scope: Scope,
        relations: Relations,
        findings: Findings,
        *,
        telling: Telling,
        notices: Notices,
    ) -> None:
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self._telling = telling
        self._notices = notices
        self.open: list[bytes] = []
        self.unprojected: list[bytes] = []
        """Payments without a row among those read, which has to be looked up."""
        self.resume: dict[tuple[int, int], int] = {}
        """By kind and partition the first record of an unfinished payment."""

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        by_payment: dict[bytes, list[PaymentFact]] = defaultdict(list)
        for fact in payment_facts(self._relations.payments, part):
            by_payment[fact.payment_id].append(fact)
        rows = payment_rows(self._relations.rows, part)
        self._findings.looked(Check.PROJECTED, len(rows))
        self._telling.begin(part)
        for payment_id, events in by_payment.items():
            row = rows.pop(payment_id, None)
            kinds = _by_kind(events)
            self._flow(payment_id, kinds, row)
            if sum(map(len, kinds)) < len(events):
                # What one group has set aside, the projection's may have taken.
                kinds = _by_kind(events, aside_too=True)
            self._project(payment_id, kinds, row)
            self._telling.payment(payment_id, events)
            self._notices.payment(events)
        self._telling.requests()
        for payment_id, row in rows.items():
            self._project(payment_id, _by_kind([]), row)

    def events_of(self, payment_id: bytes) -> list[PaymentFact]:
        """All events of one payment, those included that were set aside."""
        facts = payment_facts(self._relations.payments, payment_id[15])
        return [fact for fact in facts if fact.payment_id == payment_id]

    def _flow(self, payment_id: bytes, kinds: Kinds, row: PaymentRow | None) -> None:
        ended = bool(kinds[_POSTED] or kinds[_REFUSED])
        if kinds[_REQUESTED]:
            self._end(payment_id, kinds, row, ended=ended)
        self._way(payment_id, kinds)
        self._money(payment_id, kinds)
        events = [event for each in kinds for event in each]
        if not events:
            return
        if not ended or not all(event.flags & SETTLED for event in events):
            self.open.append(payment_id)
            for event in events:
                place = event.kind, event.partition
                self.resume[place] = min(self.resume.get(place, event.offset), event.offset)

    def _end(
        self,
        payment_id: bytes,
        kinds: Kinds,
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

    def _way(self, payment_id: bytes, kinds: Kinds) -> None:
        """Each state is entered once, and all say the same money."""
        requested = kinds[_REQUESTED]
        if len(requested) > 1:
            bodies = {event.event_id: event.digest for event in _settled(requested)}
            if any(bodies[event.event_id] != event.digest for event in _settled(requested)):
                self._way_fault(payment_id, "was requested with two bodies under one event id")
        asked = {(event.amount_minor, event.currency) for event in requested}
        between = {(event.one, event.two) for event in kinds[_RESOLVED]}
        count = len(requested)
        for kind in (_RESOLVED, _SCREENED, _POSTED):
            settled = _settled(kinds[kind])
            count += len(settled)
            if len(settled) > 1 and len({event.event_id for event in settled}) > 1:
                self._way_fault(payment_id, f"was {_NAMES[kind]} more than once")
            for event in settled:
                if asked and (event.amount_minor, event.currency) not in asked:
                    self._way_fault(
                        payment_id,
                        f"was {_NAMES[kind]} with {event.amount_minor} {event.currency.decode()}, "
                        "which nobody asked for",
                    )
                if between and (event.one, event.two) not in between:
                    self._way_fault(
                        payment_id,
                        f"was {_NAMES[kind]} between other accounts than its handles named",
                    )
        self._findings.looked(Check.ONE_WAY, count)

    def _way_fault(self, payment_id: bytes, what: str) -> None:
        self._findings.fault(Check.ONE_WAY, what, subject=payment_id)

    def _money(self, payment_id: bytes, kinds: Kinds) -> None:
        """The entries that the events ask for, and the names that they rely on."""
        add_expected, add_fact = self._relations.add_expected, self._relations.add_fact
        resolved = kinds[_RESOLVED][0] if kinds[_RESOLVED] else None
        bodies = {event.digest: event for event in kinds[_REQUESTED]}
        asked = next(iter(bodies.values())) if len(bodies) == 1 else None
        for event in kinds[_POSTED]:
            money = event if asked is None else asked
            parties = event if resolved is None else resolved
            must = event.flags & (SETTLED | FRESH) == SETTLED | FRESH
            amount_minor, currency = money.amount_minor, money.currency
            flags = DEMANDED if must else 0
            add_expected(event.more, parties.one, -amount_minor, currency, payment_id, flags)
            add_expected(event.more, parties.two, amount_minor, currency, payment_id, flags)
        for event in kinds[_RESOLVED]:
            if asked is not None and event.flags & FRESH:
                payer_version, payee_version = event.more[:8], event.more[8:]
                payer = name_of(asked.one, payer_version, event.one, event.currency)
                payee = name_of(asked.two, payee_version, event.two, event.currency)
                add_fact(payer, payment_id, IN_LOG | NEEDED)
                add_fact(payee, payment_id, IN_LOG | NEEDED)

    def project_last(self, payment_id: bytes, row: PaymentRow | None) -> None:
        """Compare a payment with the row that was looked up for it, if there is one."""
        kinds = _by_kind(self.events_of(payment_id), aside_too=True)
        if row is None:
            self._row_fault(payment_id, "has no row, and its events are committed past")
        else:
            self._project(payment_id, kinds, row)

    def _project(self, payment_id: bytes, kinds: Kinds, row: PaymentRow | None) -> None:
        if row is None:
            if any(event.flags & PROJECTED for events in kinds for event in events):
                self.unprojected.append(payment_id)
            return
        for kind, at_us in enumerate(row.times_us):
            if at_us != NEVER_US or kinds[kind]:
                self._times(payment_id, kinds[kind], kind, at_us)
        for name, found, events, nothing in (
            ("payer", row.payer, kinds[_RESOLVED], ZERO_ID),
            ("payee", row.payee, kinds[_RESOLVED], ZERO_ID),
            ("posting", row.posting_id, kinds[_POSTED], ZERO_ID),
            ("reason", row.reason, kinds[_REFUSED], ZERO_ID),
            ("body", row.body, kinds[_REQUESTED], _NOTHING),
        ):
            if events and found != nothing:
                place = _COLUMNS[name]
                if all(event[place] != found for event in events):
                    what = f"has another {name} in its row than in its events"
                    self._row_fault(payment_id, what)

    def _times(self, payment_id: bytes, events: Events, kind: int, at_us: int) -> None:
        name = _NAMES[kind]
        for event in events:
            if event.flags & PROJECTED and (at_us == NEVER_US or at_us > event.time_us):
                self._row_fault(payment_id, f"is {name} in the log, and the row does not say so")
                break
        if at_us == NEVER_US or any(event.time_us == at_us for event in events):
            return
        if self._scope.may_be_gone([PAYMENTS[kind]], at_us):
            self._findings.note("facts of rows older than the log")
        elif at_us >= self._scope.window_us:
            self._row_fault(payment_id, f"is {name} in its row, and no event says so at that time")

    def _row_fault(self, payment_id: bytes, what: str) -> None:
        self._findings.fault(Check.PROJECTED, what, subject=payment_id)


def _by_kind(events: Events, *, aside_too: bool = False) -> Kinds:
    kinds: Kinds = [[] for _ in PAYMENTS]
    for event in events:
        if aside_too or not event.flags & ASIDE:
            kinds[event.kind].append(event)
    return kinds


def _settled(events: Events) -> list[PaymentFact]:
    return [event for event in events if event.flags & SETTLED]
