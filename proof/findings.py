"""What a proof looked at, how much of it, and what was wrong."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from proof.limits import EXAMPLES_MAX


class Check(StrEnum):
    """Everything that is proven, in the order in which it is told."""

    POSTINGS_BALANCE = "postings_balance"
    CURRENCIES_BALANCE = "currencies_balance"
    BALANCES = "balances"
    MINIMUMS = "minimums"
    ENDS = "ends"
    MONEY = "money"
    ONE_WAY = "one_way"
    CAUSES = "causes"
    DECIDED = "decided"
    TOLD = "told"
    OFFSETS = "offsets"
    PROJECTED = "projected"
    DIRECTORY = "directory"
    LETTERS = "letters"
    WEBHOOKS = "webhooks"
    DELIVERIES = "deliveries"
    NOTICES = "notices"


TITLES: Final = {
    Check.POSTINGS_BALANCE: "debits = credits in every posting",
    Check.CURRENCIES_BALANCE: "debits = credits in every currency and in all",
    Check.BALANCES: "balance = sum of entries, entry after entry",
    Check.MINIMUMS: "no account below its minimum, holds included",
    Check.ENDS: "every accepted payment ended once, or is young",
    Check.MONEY: "postings = what the events say, refused ones none",
    Check.ONE_WAY: "a payment's states go one way, and say the same money",
    Check.CAUSES: "every event's cause is in the log",
    Check.DECIDED: "every event of a stage was decided in its inbox",
    Check.TOLD: "every outcome of an inbox is in the log",
    Check.OFFSETS: "committed offsets are not ahead of the work",
    Check.PROJECTED: "the payments table says what the events say",
    Check.DIRECTORY: "accounts and handles are what the events say",
    Check.LETTERS: "dead letters hold nothing that is good",
    Check.WEBHOOKS: "each event has one delivery to each endpoint that is owed it",
    Check.DELIVERIES: "deliveries ended with their attempts, or are not late",
    Check.NOTICES: "notifications are what the events come to, each once",
}

LOOKED_AT: Final = {
    Check.POSTINGS_BALANCE: "postings",
    Check.CURRENCIES_BALANCE: "entries",
    Check.BALANCES: "entries",
    Check.MINIMUMS: "accounts",
    Check.ENDS: "payments",
    Check.MONEY: "postings",
    Check.ONE_WAY: "events",
    Check.CAUSES: "events",
    Check.DECIDED: "events",
    Check.TOLD: "outcomes",
    Check.OFFSETS: "events",
    Check.PROJECTED: "rows",
    Check.DIRECTORY: "rows",
    Check.LETTERS: "letters",
    Check.WEBHOOKS: "deliveries",
    Check.DELIVERIES: "deliveries",
    Check.NOTICES: "notifications",
}
"""What each check counts."""


@dataclass(frozen=True)
class Fault:
    """Something that is not as it must be, and where to look for its story."""

    check: Check
    what: str
    subject: UUID | None = None
    """The payment or request that it is about."""
    posting_id: UUID | None = None
    account_id: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the report."""
        ids = {"subject": self.subject, "posting_id": self.posting_id, "account": self.account_id}
        return {
            "check": self.check.value,
            "what": self.what,
            **{name: str(id_) for name, id_ in ids.items() if id_ is not None},
        }


@dataclass
class Finding:
    """What came of one check."""

    looked_at: int = 0
    faults: int = 0
    examples: list[Fault] = field(default_factory=list)


class Findings:
    """What came of all of them."""

    def __init__(self) -> None:
        self.by_check = {check: Finding() for check in Check}
        self.notes: dict[str, int] = {}
        """What was counted besides: open payments, things older than the log, dead letters."""

    def looked(self, check: Check, count: int = 1) -> None:
        """So much more was looked at."""
        self.by_check[check].looked_at += count

    def fault(
        self,
        check: Check,
        what: str,
        *,
        subject: bytes | None = None,
        posting: bytes | None = None,
        account: bytes | None = None,
    ) -> None:
        """Something is wrong; ids are given as 16 bytes."""
        finding = self.by_check[check]
        finding.faults += 1
        if len(finding.examples) < EXAMPLES_MAX:
            finding.examples.append(Fault(check, what, _id(subject), _id(posting), _id(account)))

    def note(self, name: str, count: int = 1) -> None:
        """Count something that is no fault."""
        if count:
            self.notes[name] = self.notes.get(name, 0) + count

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.faults for finding in self.by_check.values())

    @property
    def first(self) -> Fault | None:
        """The fault to be told in full: the first of the first check that failed.

        One about a payment is preferred, because it has a story.
        """
        faults = [fault for finding in self.by_check.values() for fault in finding.examples]
        return next((fault for fault in faults if fault.subject), faults[0] if faults else None)


def _id(raw: bytes | None) -> UUID | None:
    return None if raw is None else UUID(bytes=raw)
