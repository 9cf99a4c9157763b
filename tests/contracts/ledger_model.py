"""A ledger as one would explain it on paper: the reference that both adapters are held against.

It shares no code with them. Nothing is kept but the histories and the holds; every balance is
added up anew each time.
"""

from dataclasses import dataclass, field

MOST = 2**63 - 1


class ContradictionError(Exception):
    """The id is known with other contents."""


@dataclass
class PaperAccount:
    currency: str
    minimum: int
    frozen: bool = False
    history: list[tuple[int, int]] = field(default_factory=list)  # (posting, amount)


@dataclass
class PaperHold:
    contents: tuple[int, str, int, int | None]  # account, currency, amount, due
    end: str | None = None


@dataclass
class Paper:
    """Ids are small numbers; answers are words."""

    accounts: dict[int, PaperAccount] = field(default_factory=dict)
    postings: dict[int, tuple[object, ...]] = field(default_factory=dict)
    holds: dict[int, PaperHold] = field(default_factory=dict)

    def balance(self, account: int) -> int:
        return sum(amount for _, amount in self.accounts[account].history)

    def held(self, account: int) -> int:
        return sum(
            hold.contents[2]
            for hold in self.holds.values()
            if hold.contents[0] == account and hold.end is None
        )

    def post(
        self, posting: int, currency: str, moves: list[tuple[int, int]], hold: int | None = None
    ) -> str:
        contents = (currency, frozenset(moves), hold)
        if posting in self.postings:
            return self._same(self.postings[posting], contents, "posted")
        if hold is not None:
            no = self._no_capture(hold, moves)
            if no:
                return no
            self.holds[hold].end = "captured"
        for account, amount in moves:
            no = self._no_entry(account, amount, currency, captures=hold is not None)
            if no:
                if hold is not None:
                    self.holds[hold].end = None
                return no
        for account, amount in moves:
            self.accounts[account].history.append((posting, amount))
        self.postings[posting] = contents
        return "posted"

    def hold(self, hold: int, account: int, currency: str, amount: int, due: int | None) -> str:
        contents = (account, currency, amount, due)
        if hold in self.holds:
            return self._same(self.holds[hold].contents, contents, "held")
        no = self._no_entry(account, -amount, currency, captures=False)
        if not no and self.held(account) + amount > MOST:
            no = "balance_overflow"
        if not no:
            self.holds[hold] = PaperHold(contents)
        return no or "held"

    def void(self, hold: int) -> str:
        if hold not in self.holds:
            return "unknown_hold"
        if self.holds[hold].end in {None, "voided"}:
            self.holds[hold].end = "voided"
            return "voided"
        return "hold_ended"

    def expire(self, now: int, limit: int) -> list[int]:
        due = sorted(
            (hold.contents[3], number)
            for number, hold in self.holds.items()
            if hold.end is None and hold.contents[3] is not None and hold.contents[3] <= now
        )
        for _, number in due[:limit]:
            self.holds[number].end = "expired"
        return [number for _, number in due[:limit]]

    def _no_entry(self, account: int, amount: int, currency: str, *, captures: bool) -> str | None:
        if account not in self.accounts:
            return "unknown_account"
        stands = self.accounts[account]
        if stands.currency != currency:
            return "currency_mismatch"
        if stands.frozen and not captures:
            return "account_frozen"
        after = self.balance(account) + amount
        if after - self.held(account) < stands.minimum:
            return "insufficient_funds"
        return "balance_overflow" if after > MOST else None

    def _no_capture(self, hold: int, moves: list[tuple[int, int]]) -> str | None:
        if hold not in self.holds:
            return "unknown_hold"
        account, _, amount, _ = self.holds[hold].contents
        taken = -dict(moves).get(account, 0)
        if taken <= 0:
            raise ContradictionError
        if self.holds[hold].end is not None:
            return "hold_ended"
        return "hold_exceeded" if taken > amount else None

    def _same(self, first: object, second: object, answer: str) -> str:
        if first != second:
            raise ContradictionError
        return answer
