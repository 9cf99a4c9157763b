"""Notifications: what the log's payments come to for each account, against the rows there are.

Many of a minute become one row that counts them, so what is compared is how many there are by
account and subject; and of each row whether its id is its event's, its event is in the log, and
nothing is told twice. That each event was decided once the inbox shows (proof/chains.py). A proof
that goes on from another does not look at them: a row may count events of before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID, uuid5

from proof import queries_telling as queries
from proof.body import ZERO_ID
from proof.findings import Check, Findings
from proof.limits import SKEW_S, SUM_S_MAX
from proof.relations import (
    ASIDE,
    DEMANDED,
    IN_LOG,
    IN_TABLE,
    NOTICED,
    PaymentFact,
    Relations,
    Tally,
    long_at,
    tallies_of,
)
from proof.route import NOTIFICATIONS, PAYMENTS, POSTED, REFUSED, Route
from proof.scope import PG_EPOCH_US, US, Scope
from runtime.database import Connection

_SENT, _RECEIVED, _REFUSED = range(1, len(queries.PAYMENT_SUBJECTS) + 1)
_PERSON: Final = "user:"
_IN_APP: Final = "in_app"
_HOLDER: Final = 0
"""In place of a subject: whether the account's holder is told at all."""
_EDGE_US: Final = int(2 * SKEW_S * US)
"""A row stands for events up to a minute after it was planned, and clocks differ."""
_TOLD_ONE_BY_ONE: Final = slice(0, 33)


class Notices:
    """All about notifications in one proof."""

    def __init__(
        self, route: Route, scope: Scope, relations: Relations, findings: Findings
    ) -> None:
        self._route = route
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self._is_looking = scope.since is None
        self._step = route.steps.index(NOTIFICATIONS)
        self._topics = route.read_by(self._step)
        self._kinds = PAYMENTS.index(POSTED), PAYMENTS.index(REFUSED)
        self._shared: dict[bytes, int] = {}
        self._nameless = 0
        """Refusals that name no account: somebody may have been told."""
        self._refused = 0

    async def read(self, connection: Connection) -> None:
        """Accounts of people who have several, and what was carried wrongly."""
        age_s = self._scope.age_us / US
        wrong = await connection.fetch(queries.WRONG_CARRIED, age_s, timeout=SUM_S_MAX)
        for payment_id, delivery_id, what in wrong:
            self._findings.fault(
                Check.NOTICES,
                f"push or letter {delivery_id} {what}",
                subject=None if payment_id is None else payment_id.bytes,
            )
        if self._is_looking:
            rows = await connection.fetch(queries.SHARED)
            self._shared = {account.bytes: number for account, number in rows}

    def take_holders(self, rows: Iterator[tuple[Any, ...]]) -> None:
        """Accounts, and whether their holders are told."""
        add = self._relations.add_tally
        for account, is_told in rows:
            add(account, _HOLDER, IN_TABLE, 0, is_told)

    def take_rows(self, rows: Iterator[tuple[Any, ...]]) -> None:
        """Notifications as they stand."""
        relations = self._relations
        count_all = 0
        for event, account, notice, client, subject, is_summary, count, planned in rows:
            planned_us = planned + PG_EPOCH_US
            count_all += 1
            if subject:
                relations.add_tally(account, subject, IN_TABLE, planned_us, count)
            # A summary names one event of several, which may be told by itself as well.
            relations.add_notice(event, account, 0 if is_summary else subject, planned_us)
            if not is_summary and notice != _id_of(event, client, account):
                self._fault(f"of event {UUID(bytes=event)} has an id that is not the event's")
        self._findings.looked(Check.NOTICES, count_all)

    def payment(self, events: Iterable[PaymentFact]) -> None:
        """Count what the ends of a payment come to; an event that came again counts once."""
        if not self._is_looking:
            return
        ends: dict[bytes, PaymentFact] = {}
        for event in events:
            if event.kind in self._kinds and not event.flags & ASIDE:
                known = ends.get(event.event_id)
                if known is None or event.flags & NOTICED:
                    ends[event.event_id] = event
        for event in ends.values():
            flags = IN_LOG | (DEMANDED if event.flags & NOTICED else 0)
            for account, subject in self._concerned(event):
                self._relations.add_tally(account, subject, flags, event.time_us, 1)

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        if self._is_looking:
            self._single(part)
            self._counts(part)

    def tell_nameless(self) -> None:
        """After all parts: no more refusals are told than there were."""
        if self._is_looking and self._refused > self._nameless:
            self._fault(f"tell of {self._refused - self._nameless} refusals that no event says")

    def _concerned(self, event: PaymentFact) -> Iterator[tuple[bytes, int]]:
        if event.kind == self._kinds[0]:
            payer, payee = event.one, event.two
            yield payer, _SENT
            if payer not in self._shared or self._shared[payer] != self._shared.get(payee):
                yield payee, _RECEIVED
        elif event.one == ZERO_ID:
            self._nameless += 1
        else:
            yield event.one, _REFUSED

    def _single(self, part: int) -> None:
        """Each row's event is in the log, and nothing is told twice."""
        rows = self._relations.notices.rows(part)
        if not rows:
            return
        step = self._step
        known = {row[:16] for row in self._relations.events.rows(part) if row[16] == step}
        singles = Counter(row[_TOLD_ONE_BY_ONE] for row in rows if row[32])
        for row in rows:
            gone = self._scope.may_be_gone(self._topics, long_at(row, 33))
            if row[:16] not in known and not gone:
                self._fault(f"of event {UUID(bytes=row[:16])} has no such event in the log")
        for key, count in singles.items():
            if count > 1:
                self._fault(f"of event {UUID(bytes=key[:16])} stands {count} times")

    def _counts(self, part: int) -> None:
        """As many of each account and subject as the events come to."""
        edge_us = self._scope.held_from_us([POSTED, REFUSED])
        told: set[bytes] = set()
        by_key: dict[tuple[bytes, int], list[Tally]] = defaultdict(list)
        for tally in tallies_of(self._relations.tallies, part):
            if tally.subject == _HOLDER:
                if tally.number:
                    told.add(tally.account)
            else:
                by_key[tally.account, tally.subject].append(tally)
        for (account, subject), tallies in by_key.items():
            stand = sum(each.number for each in tallies if _stands(each, edge_us))
            must = sum(each.number for each in tallies if _must(each, edge_us + _EDGE_US))
            if account in told and stand < must:
                self._fault(
                    f"on {queries.PAYMENT_SUBJECTS[subject - 1]} are {stand}, of {must} events",
                    account,
                )
            late = sum(each.number for each in tallies if _stands(each, edge_us + _EDGE_US))
            may = sum(each.number for each in tallies if each.flags & IN_LOG)
            if subject == _REFUSED:
                # Some refusals name a handle only; those are counted together.
                self._refused += max(0, late - may)
            elif late > may:
                self._fault(
                    f"on {queries.PAYMENT_SUBJECTS[subject - 1]} are {late}, of {may} events",
                    account,
                )

    def _fault(self, what: str, account: bytes | None = None) -> None:
        of = "" if account is None else f" of account {UUID(bytes=account)}"
        self._findings.fault(Check.NOTICES, f"notifications{of} {what}", account=account)


def _stands(tally: Tally, edge_us: int) -> bool:
    return bool(tally.flags & IN_TABLE) and tally.at_us >= edge_us


def _must(tally: Tally, edge_us: int) -> bool:
    return bool(tally.flags & DEMANDED) and tally.at_us >= edge_us


def _id_of(event: bytes, client: bytes, account: bytes) -> bytes:
    """The id of what tells of one event in the app; of the demo, an account is a person."""
    who = client.decode().rstrip()
    if not who.startswith(_PERSON):
        who = f"{who} {UUID(bytes=account) if account != ZERO_ID else None}"
    return uuid5(UUID(bytes=event), f"{who} {_IN_APP} ").bytes
