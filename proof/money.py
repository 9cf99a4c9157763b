"""The joins of the ledger's rows: with each other, and with the entries that the events ask for."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from proof.findings import Check, Findings
from proof.relations import DEMANDED, Relations, long_at
from proof.route import POSTED
from proof.scope import Scope

# Where columns begin or end in the rows of proof/relations.py.
_ENTRY = slice(0, 43)
_CURRENCY = slice(40, 43)


class MoneyJoin:
    """Joins all parts."""

    def __init__(self, scope: Scope, relations: Relations, findings: Findings) -> None:
        self._scope = scope
        self._relations = relations
        self._findings = findings
        self.unposted: list[bytes] = []
        """Entries that events ask for and the rows read do not have: to be looked up."""

    def join(self, part: int) -> None:
        """Compare what lies in one part."""
        entries = self._relations.entries.rows(part)
        postings = {row[:16]: row for row in self._relations.postings.rows(part)}
        self._balance(entries)
        self._whole(entries, postings, self._relations.pointers.rows(part))
        self._explained(entries, postings, self._relations.expected.rows(part))

    def _balance(self, entries: list[bytes]) -> None:
        sums_minor: Counter[bytes] = Counter()
        for row in entries:
            sums_minor[row[:16]] += long_at(row, 32)
        self._findings.looked(Check.POSTINGS_BALANCE, len(sums_minor))
        for posting, sum_minor in sums_minor.items():
            if sum_minor != 0:
                self._findings.fault(
                    Check.POSTINGS_BALANCE,
                    f"the entries of posting {UUID(bytes=posting)} sum to {sum_minor}",
                    posting=posting,
                )

    def _whole(
        self, entries: list[bytes], postings: dict[bytes, bytes], pointers: list[bytes]
    ) -> None:
        """A posting names its entries, all of them, and they are in its currency."""
        named = {row[:40] for row in pointers}
        found = {row[:32] + row[43:51] for row in entries}
        for row in named ^ found:
            self._posting_fault(row[:16], "names other entries than there are")
        if len(found) < len(entries):
            self._findings.fault(Check.POSTINGS_BALANCE, "an entry is there twice")
        for key in {(row[:16], row[_CURRENCY]) for row in entries}:
            posting = postings.get(key[0])
            if posting is None:
                self._posting_fault(key[0], "has entries, and is no posting")
            elif posting[16:19] != key[1]:
                self._posting_fault(key[0], "has an entry on an account of another currency")

    def _posting_fault(self, posting: bytes, what: str) -> None:
        self._findings.fault(
            Check.POSTINGS_BALANCE, f"posting {UUID(bytes=posting)} {what}", posting=posting
        )

    def _explained(
        self, entries: list[bytes], postings: dict[bytes, bytes], expected: list[bytes]
    ) -> None:
        """The ledger holds what the events say, and nothing else."""
        self._findings.looked(Check.MONEY, len(postings))
        said = {row[_ENTRY]: row for row in expected}
        found = {row[_ENTRY] for row in entries}
        # Of every posting that anything is wrong with, one fault.
        strange = {row[:16] for row in found - said.keys()}
        for posting in strange:
            self._unexplained(posting, postings.get(posting))
        payments: dict[bytes, bytes] = {}
        for row in expected:
            if payments.setdefault(row[:16], row[43:59]) != row[43:59]:
                self._findings.fault(
                    Check.MONEY,
                    f"shares posting {UUID(bytes=row[:16])} with {UUID(bytes=payments[row[:16]])}",
                    subject=row[43:59],
                    posting=row[:16],
                )
        self.unposted += [
            row for key, row in said.items() if row[59] & DEMANDED and key not in found
        ]

    def _unexplained(self, posting: bytes, row: bytes | None) -> None:
        posted_us = self._scope.snapshot_us if row is None else long_at(row, 19)
        if self._scope.may_be_gone([POSTED], posted_us):
            self._findings.note("postings older than the log")
            return
        if self._scope.since is not None and posted_us < self._scope.window_us:
            return
        self._findings.fault(
            Check.MONEY,
            f"posting {UUID(bytes=posting)} moved money that no event tells of",
            posting=posting,
        )

    def unposted_fault(self, row: bytes) -> None:
        """Tell of an entry that the events ask for and that there is not."""
        amount_minor, currency = long_at(row, 32), row[_CURRENCY].decode()
        self._findings.fault(
            Check.MONEY,
            f"was posted, and posting {UUID(bytes=row[:16])} does not move {amount_minor} "
            f"{currency} on account {UUID(bytes=row[16:32])}",
            subject=row[43:59],
            posting=row[:16],
        )


def follow_balances(relations: Relations, part: int, findings: Findings) -> None:
    """Each entry begins where the one before ended, and the account stands where the last did.

    An entry implies the balance before it; an account its last. Each balance there is (zero
    before the first entry) is implied exactly once, or some entry was changed, lost or added.
    """
    have, want = relations.have.rows(part), relations.want.rows(part)
    findings.looked(Check.BALANCES, len(have))
    if len(have) == len(want) == len(set(have)) and set(have) == set(want):
        return
    wrong = _surplus(want, have) or _surplus(have, want)
    for row in wrong:
        sequence, balance_minor = long_at(row, 16), long_at(row, 24)
        account = UUID(bytes=row[:16])
        findings.fault(
            Check.BALANCES,
            f"account {account} should stand at {balance_minor} after entry {sequence}, and does "
            "not, or an entry follows that does not fit",
            account=row[:16],
        )


def _surplus(some: Iterable[bytes], others: Iterable[bytes]) -> list[bytes]:
    return sorted((Counter(some) - Counter(others)).elements())
