"""What a proof keeps of log and tables: rows of bytes, packed and unpacked here and nowhere else.

Numbers stand with the most significant byte first, so that a row's first bytes can be compared as
they are. `steps` and `topics` are numbers of the route.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from proof.spill import PARTS, Relation, Spill

SETTLED: Final = 1
"""Every group that reads the record has committed past it, and none set it aside."""
PROJECTED: Final = 2
"""The payments projection has committed past it."""
ASIDE: Final = 4
"""Some group set it aside: it is no event."""
FRESH: Final = 8
"""Not covered by the proof that this one continues."""
PLANNED: Final = 16
"""Who plans webhooks has committed past it."""
NOTICED: Final = 32
"""Who plans notifications has committed past it."""

HANDLED: Final = 1
"""Of an event: its step must have it in the inbox."""

CAUSE_HELD: Final = 1
"""Of an effect: the log still holds its cause."""
INBOX_HELD: Final = 2
"""Of an effect: the inbox still holds its decision."""
NO_DECISION: Final = 4
"""Of an effect: an answer to a conflict, which no inbox keeps."""

IN_LOG: Final = 1
IN_TABLE: Final = 2
NEEDED: Final = 4
"""Where a fact was found, and whether the other side must have it, or the log itself."""
DEMANDED: Final = 8

_payment = struct.Struct(">16sBBHQ16sqqqq16s16s3s16s16s")
_row = struct.Struct(">16sqqqqqqqq16s16s16s16s16s")
_long = struct.Struct(">q")
_place = struct.Struct(">16sBHQ")
_told = struct.Struct(">16s16sBBiq")
_tally = struct.Struct(">16sBBqq")


class PaymentFact(NamedTuple):
    """One event of a payment; the last six as in `proof.body.Said`.

    `kind` is its topic's place in `proof.route.PAYMENTS`.
    """

    payment_id: bytes
    kind: int
    flags: int
    partition: int
    offset: int
    event_id: bytes
    appended_ms: int
    time_us: int
    started_us: int
    amount_minor: int
    one: bytes
    two: bytes
    currency: bytes
    digest: bytes
    more: bytes


class PaymentRow(NamedTuple):
    """One row of the payments table; a time that is not set is `NEVER_US`."""

    payment_id: bytes
    accepted_us: int
    times_us: tuple[int, ...]
    """When each state was entered, in the order of `proof.route.PAYMENTS`."""
    bodies: int
    """Whether rivals are kept: 1, else 0."""
    posting_id: bytes
    payer: bytes
    payee: bytes
    body: bytes
    reason: bytes


class ToldFact(NamedTuple):
    """A public event of a client that has an endpoint; of a payment only whose it is.

    `client` is the client's number among those that have one, or less than 0 where it says none.
    """

    subject: bytes
    event_id: bytes
    topic: int
    flags: int
    client: int
    time_us: int


class Tally(NamedTuple):
    """Notifications about an account on one subject: in rows (IN_TABLE), or as events come to."""

    account: bytes
    subject: int
    flags: int
    at_us: int
    number: int


@dataclass
class Relations:
    """All of them, in one file; each attribute's comment gives the columns."""

    events: Relation  # event, step, subject, idempotency id, flags
    effects: Relation  # cause, step, subject, topic, digest, event, flags
    inbox: Relation  # event, step, topic, digest, idempotency id, decided
    payments: Relation  # PaymentFact
    rows: Relation  # PaymentRow
    places: Relation  # subject, topic, partition, offset
    expected: Relation  # posting, account, amount, currency, payment, flags
    entries: Relation  # posting, account, amount, currency, sequence
    postings: Relation  # posting, currency, posted
    pointers: Relation  # posting, account, sequence
    have: Relation  # account, sequence, balance
    want: Relation  # account, sequence, balance
    facts: Relation  # digest, subject, flags
    versions: Relation  # handle, version, flags
    told: Relation  # ToldFact
    owed: Relation  # event, delivery, endpoint, flags
    deliveries: Relation  # event, delivery, endpoint, is a test, created
    strays: Relation  # event, since when
    notices: Relation  # event, account, subject, planned
    tallies: Relation  # Tally

    @classmethod
    def on(cls, spill: Spill) -> "Relations":
        """Empty ones."""
        widths = (50, 67, 58, _payment.size, _row.size, 27, 60, 51, 27, 40, 32, 32, 33, 25)
        telling = (_told.size, 49, 57, 24, 41, _tally.size)
        return cls(*(Relation(spill, width) for width in (*widths, *telling)))

    def add_event(
        self, event: bytes, step: int, subject: bytes, idempotency: bytes, flags: int
    ) -> None:
        """An event that a step decides about."""
        self.events.add(b"%b%c%b%b%c" % (event, step, subject, idempotency, flags))

    def add_effect(
        self,
        cause: bytes,
        step: int,
        subject: bytes,
        topic: int,
        digest: bytes,
        event: bytes,
        flags: int,
    ) -> None:
        """An event that a step says to have decided."""
        self.effects.add(b"%b%c%b%c%b%b%c" % (cause, step, subject, topic, digest, event, flags))

    def add_inbox(
        self,
        event: bytes,
        step: int,
        topic: int,
        digest: bytes,
        idempotency: bytes,
        decided_us: int,
    ) -> None:
        """A row of the inbox; the topic is NO_TOPIC where there is no outcome."""
        self.inbox.add(
            b"%b%c%c%b%b%b" % (event, step, topic, digest, idempotency, _long.pack(decided_us))
        )

    def add_payment(self, *fields: object) -> None:
        """An event of a payment: the columns of `PaymentFact`."""
        self.payments.add(_payment.pack(*fields))

    def add_place(self, subject: bytes, topic: int, partition: int, offset: int) -> None:
        """Where a record lies that is of no payment."""
        self.places.add(_place.pack(subject, topic, partition, offset))

    def add_row(self, row: PaymentRow) -> None:
        """A row of the payments table."""
        self.rows.add(
            _row.pack(row.payment_id, row.accepted_us, *row.times_us, row.bodies, *row[4:])
        )

    def add_expected(
        self,
        posting: bytes,
        account: bytes,
        amount_minor: int,
        currency: bytes,
        payment: bytes,
        flags: int,
    ) -> None:
        """An entry that the events of a payment ask for."""
        amount = _long.pack(amount_minor)
        self.expected.add(b"%b%b%b%b%b%c" % (posting, account, amount, currency, payment, flags))

    def add_entry(
        self, posting: bytes, account: bytes, amount_minor: int, currency: bytes, sequence: int
    ) -> None:
        """An entry of the ledger."""
        amount, number = _long.pack(amount_minor), _long.pack(sequence)
        self.entries.add(b"%b%b%b%b%b" % (posting, account, amount, currency, number))

    def add_posting(self, posting: bytes, currency: bytes, posted_us: int) -> None:
        """A posting of the ledger."""
        self.postings.add(b"%b%b%b" % (posting, currency, _long.pack(posted_us)))

    def add_pointer(self, posting: bytes, account: bytes, sequence: int) -> None:
        """An entry that a posting names."""
        self.pointers.add(b"%b%b%b" % (posting, account, _long.pack(sequence)))

    def add_version(self, handle: bytes, version: int, flags: int) -> None:
        """A version of a handle, given by its digest."""
        self.versions.add(b"%b%b%c" % (handle, _long.pack(version), flags))

    def add_link(
        self, account: bytes, sequence: int, balance_minor: int, relation: Relation
    ) -> None:
        """A balance after an entry, as it is (`have`) or as the next entry implies it (`want`).

        Not parted by account alone: one account may have most of the entries.
        """
        row = b"%b%b%b" % (account, _long.pack(sequence), _long.pack(balance_minor))
        relation.add_to((account[15] + sequence) % PARTS, row)

    def add_told(self, *fields: object) -> None:
        """The columns of `ToldFact`."""
        self.told.add(_told.pack(*fields))

    def add_owed(self, event: bytes, delivery: bytes, endpoint: bytes, flags: int) -> None:
        """A delivery that there may be, or must."""
        self.owed.add(b"%b%b%b%c" % (event, delivery, endpoint, flags))

    def add_delivery(
        self, event: bytes, delivery: bytes, endpoint: bytes, is_test: int, created_us: int
    ) -> None:
        """A delivery that there is."""
        created = _long.pack(created_us)
        self.deliveries.add(b"%b%b%b%c%b" % (event, delivery, endpoint, is_test, created))

    def add_stray(self, event: bytes, strayed_us: int) -> None:
        """An event that is kept because nobody knew whose it is."""
        self.strays.add(event + _long.pack(strayed_us))

    def add_notice(self, event: bytes, account: bytes, subject: int, planned_us: int) -> None:
        """A notification of one event."""
        self.notices.add(b"%b%b%c%b" % (event, account, subject, _long.pack(planned_us)))

    def add_tally(self, *fields: object) -> None:
        """The columns of `Tally`."""
        self.tallies.add(_tally.pack(*fields))

    def add_fact(self, digest: bytes, subject: bytes, flags: int) -> None:
        """Something that log and table must both say."""
        self.facts.add(b"%b%b%c" % (digest, subject, flags))


NO_TOPIC: Final = 0xFF
NEVER_US: Final = -(2**63)


def payment_facts(relation: Relation, part: int) -> Iterable[PaymentFact]:
    """The events of a part's payments."""
    return map(PaymentFact._make, _payment.iter_unpack(relation.part(part)))


def payment_rows(relation: Relation, part: int) -> dict[bytes, PaymentRow]:
    """The rows of a part's payments."""
    return {
        fields[0]: PaymentRow(fields[0], fields[1], fields[2:8], fields[8], *fields[9:])
        for fields in _row.iter_unpack(relation.part(part))
    }


def told_facts(relation: Relation, part: int) -> Iterable[ToldFact]:
    """The told events of a part's subjects."""
    return map(ToldFact._make, _told.iter_unpack(relation.part(part)))


def tallies_of(relation: Relation, part: int) -> Iterable[Tally]:
    """The tallies of a part's accounts."""
    return map(Tally._make, _tally.iter_unpack(relation.part(part)))


def long_at(row: bytes, place: int) -> int:
    """The signed number of 8 bytes at a place in a row."""
    number: int = _long.unpack_from(row, place)[0]
    return number
