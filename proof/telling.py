"""Webhooks: what is owed by the log and the endpoints, against the deliveries that there are.

Whose an event is, it says itself or the request says that it is about. The ids of deliveries are
derived here anew, so a row under another id is one that nothing explains.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid5

from proof import queries_telling as queries
from proof.event import Read
from proof.findings import Check, Findings
from proof.limits import LOOKUP_ROWS_MAX, SUM_S_MAX
from proof.relations import (
    ASIDE,
    DEMANDED,
    PLANNED,
    PaymentFact,
    Relations,
    ToldFact,
    long_at,
    told_facts,
)
from proof.route import NOT_OPENED, PAYMENTS, PUBLIC, REQUESTED, Route
from proof.scope import US, Scope
from proof.subscribers import NOBODY, Subscribers
from runtime.database import Connection

_OPENING: Final = "account.opening-requested.v1"
"""Not told itself, but it says whose its refusal is."""
_KEY: Final = slice(0, 48)
_TELLING: Final = sorted(PUBLIC & set(PAYMENTS))


class Telling:
    """All about webhooks in one proof."""

    def __init__(
        self, route: Route, scope: Scope, relations: Relations, findings: Findings
    ) -> None:
        self._route = route
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self._subscribers = Subscribers()
        self._kinds = [PAYMENTS.index(name) for name in _TELLING]
        self._taken = {
            number
            for number, name in enumerate(route.topic_names)
            if name in {REQUESTED, _OPENING} or (name in PUBLIC and name not in PAYMENTS)
        }
        self._said: dict[bytes, list[ToldFact]] = {}
        self._missing: list[bytes] = []
        """Of each delivery that is not among those read: event, delivery and endpoint."""

    async def read(self, connection: Connection) -> None:
        """The endpoints, and what the server sees wrong of deliveries by themselves."""
        self._subscribers = await Subscribers.read(connection)
        if not self._subscribers:
            return
        since_s = self._scope.window_us / US if self._scope.since else float("-inf")
        age_s = self._scope.age_us / US
        count = await connection.fetchval(queries.DELIVERY_COUNT, since_s, timeout=SUM_S_MAX)
        self._findings.looked(Check.DELIVERIES, count)
        wrong = await connection.fetch(queries.WRONG_DELIVERIES, since_s, age_s, timeout=SUM_S_MAX)
        for row in wrong:
            self._findings.fault(
                Check.DELIVERIES,
                f"delivery {row['delivery_id']} to endpoint {row['endpoint_id']} {row['what']}",
                subject=row["subject"].bytes,
            )

    def take(self, topic: int, flags: int, read: Read) -> None:
        """An event off the log, if it says whose something is or is told itself."""
        if self._subscribers and topic in self._taken:
            number = self._subscribers.number_of(read.client)
            if number is not None:
                self._relations.add_told(
                    read.subject, read.event_id, topic, flags, number, read.time_us
                )

    def begin(self, part: int) -> None:
        """What was told of the subjects of a part."""
        self._said = defaultdict(list)
        if self._subscribers:
            for fact in told_facts(self._relations.told, part):
                self._said[fact.subject].append(fact)

    def payment(self, payment_id: bytes, events: Iterable[PaymentFact]) -> None:
        """Owe what a payment's events come to; after all of a part, `requests`."""
        said = self._said.pop(payment_id, None)
        if said is None or (number := _owner(said)) == NOBODY:
            return
        for event in events:
            if event.kind in self._kinds and not event.flags & ASIDE:
                self._owe(number, event.event_id, PAYMENTS[event.kind], event.time_us, event.flags)

    def requests(self) -> None:
        """Owe what all other events of the part come to."""
        for said in self._said.values():
            number = _owner(said)
            for fact in said:
                name = self._route.topic_names[fact.topic]
                if number != NOBODY and name in PUBLIC and not fact.flags & ASIDE:
                    self._owe(number, fact.event_id, name, fact.time_us, fact.flags)

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        owed = self._relations.owed.rows(part)
        rows = self._relations.deliveries.rows(part)
        strays = {row[:16]: long_at(row, 16) for row in self._relations.strays.rows(part)}
        self._findings.looked(Check.WEBHOOKS, len(rows))
        there = {row[_KEY] for row in rows}
        missing = {row[_KEY] for row in owed if row[48] & DEMANDED} - there
        for key in missing:
            event = UUID(bytes=key[:16])
            strayed_us = strays.get(key[:16])
            if strayed_us is None:
                self._missing.append(key)
            elif self._scope.is_late(strayed_us):
                self._fault(f"event {event} is kept as nobody's, and the log says whose it is")
            else:
                self._findings.note("events whose owner is not known yet")
        explained = {row[_KEY] for row in owed}
        pairs = {row[:16] + row[32:] for row in explained}
        for row in rows:
            if row[_KEY] not in explained:
                self._unexplained(row, is_owed=row[:16] + row[32:48] in pairs)

    async def look_up(self, connection: Connection) -> None:
        """After all parts: tell of what is missing; a continued proof may have to look back."""
        for start in range(0, len(self._missing), LOOKUP_ROWS_MAX):
            keys = self._missing[start : start + LOOKUP_ROWS_MAX]
            known: set[UUID] = set()
            if self._scope.since is not None:
                ids = [UUID(bytes=key[16:32]) for key in keys]
                known = {row[0] for row in await connection.fetch(queries.DELIVERIES_NAMED, ids)}
            for key in keys:
                event, delivery, endpoint = (UUID(bytes=key[at : at + 16]) for at in (0, 16, 32))
                if delivery not in known:
                    self._fault(f"event {event} has no delivery to {endpoint}, which wants it")

    def _owe(
        self, number: int, event_id: bytes, event_type: str, occurred_us: int, flags: int
    ) -> None:
        planned = bool(flags & PLANNED)
        for delivery, endpoint, must in self._subscribers.owed(
            number, event_id, event_type, occurred_us, planned=planned
        ):
            self._relations.add_owed(event_id, delivery, endpoint, must)

    def _unexplained(self, row: bytes, *, is_owed: bool) -> None:
        event, delivery, endpoint = (UUID(bytes=row[at : at + 16]) for at in (0, 16, 32))
        is_test, created_us = row[48], long_at(row, 49)
        if is_owed or (is_test and delivery != uuid5(event, str(endpoint))):
            self._fault(f"event {event} is delivered to {endpoint} under another id, {delivery}")
        elif is_test:
            return
        elif self._scope.since is not None:
            self._findings.note("deliveries of events that an earlier proof read")
        elif self._scope.may_be_gone([*_TELLING, NOT_OPENED], created_us):
            self._findings.note("deliveries of events older than the log")
        else:
            self._fault(f"delivery {delivery} to {endpoint} is of no event of its client: {event}")

    def _fault(self, what: str) -> None:
        self._findings.fault(Check.WEBHOOKS, what)


def _owner(said: Iterable[ToldFact]) -> int:
    """Whose something is, by what is said of it."""
    return max((fact.client for fact in said), default=NOBODY)
