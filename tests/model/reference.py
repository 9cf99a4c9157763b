"""The payment's route as one would explain it on paper: the reference of the state machine.

It shares no code with the product. People and handles are words, balances are added up anew each
time, and what a step decided about a payment is written down once.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

Outcome = tuple[str, ...]
"""What became of a payment in a step: a word, and why or between whom."""


@dataclass(frozen=True)
class Limits:
    payment: int
    daily: int
    count: int
    window_s: int


@dataclass
class Spending:
    """What a payer has sent, as far as limits care. A refused payment does not count."""

    day: date = date.min
    today: int = 0
    since: datetime | None = None
    count: int = 0

    def refusal(self, amount: int, at: datetime, limits: Limits) -> str | None:
        """Why the next payment is refused, or None: then it counts."""
        if at.date() > self.day:
            self.day, self.today = at.date(), 0
        if self.since is None or (at - self.since).total_seconds() >= limits.window_s:
            self.since, self.count = at, 0
        if amount > limits.payment:
            return "amount_over_limit"
        if self.today + amount > limits.daily:
            return "daily_limit"
        if self.count >= limits.count:
            return "velocity"
        self.today += amount
        self.count += 1
        return None


@dataclass
class PaperHold:
    owner: str
    amount: int
    due: datetime | None
    end: str | None = None

    @property
    def is_open(self) -> bool:
        return self.end is None


@dataclass
class Reference:
    """The first person is the treasury: it has no limits and no minimum."""

    people: list[str]
    limits: Limits
    names: dict[str, str | None] = field(default_factory=dict)
    """Whom each handle names."""
    bodies: dict[tuple[str, str], tuple[str, str, int]] = field(default_factory=dict)
    """Payer's handle, payee's handle and amount, by payment and fingerprint."""
    standing: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """By payment, the fingerprint that came first and when it was accepted."""
    decided: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    spending: dict[str, Spending] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    entries: list[tuple[str, str, int]] = field(default_factory=list)
    """Cause, person and amount, in the order in which they were recorded."""
    holds: dict[str, PaperHold] = field(default_factory=dict)

    # -- The route ----------------------------------------------------------------------------
    def request(self, payment: str, fingerprint: str, at: datetime) -> Outcome:
        """The first step: the first body stands, another is ignored."""
        first, _ = self.standing.setdefault(payment, (fingerprint, at))
        if fingerprint != first:
            return ("conflicted", fingerprint)
        return self._once("handle_resolution", payment)

    def go_on(self, step: str, payment: str) -> Outcome:
        """A later step."""
        return self._once(step, payment)

    def _once(self, step: str, payment: str) -> Outcome:
        if (step, payment) not in self.decided:
            decide = {
                "handle_resolution": self._resolve,
                "risk_screening": self._screen,
                "ledger_posting": self._post,
            }
            self.decided[step, payment] = decide[step](payment)
        return self.decided[step, payment]

    def _resolve(self, payment: str) -> Outcome:
        from_handle, to_handle, _ = self.bodies[payment, self.standing[payment][0]]
        payer, payee = self.names.get(from_handle), self.names.get(to_handle)
        if payer is None:
            return ("refused", "unknown_payer")
        if payee is None:
            return ("refused", "unknown_payee")
        if payer == payee:
            return ("refused", "same_account")
        return ("resolved", payer, payee)

    def _screen(self, payment: str) -> Outcome:
        payer = self.decided["handle_resolution", payment][1]
        fingerprint, at = self.standing[payment]
        amount = self.bodies[payment, fingerprint][2]
        if payer != self.people[0]:
            code = self.spending.setdefault(payer, Spending()).refusal(amount, at, self.limits)
            if code is not None:
                return ("refused", code)
        return ("screened",)

    def _post(self, payment: str) -> Outcome:
        _, payer, payee = self.decided["handle_resolution", payment]
        amount = self.bodies[payment, self.standing[payment][0]][2]
        code = self._no_debit(payer, amount)
        if code is None and payee in self.frozen:
            code = "account_frozen"
        if code is not None:
            return ("refused", code)
        self.move(payment, payer, payee, amount)
        return ("posted",)

    # -- Money --------------------------------------------------------------------------------
    def balance(self, person: str) -> int:
        return sum(amount for _, owner, amount in self.entries if owner == person)

    def held(self, person: str) -> int:
        return sum(
            hold.amount for hold in self.holds.values() if hold.is_open and hold.owner == person
        )

    def move(self, cause: str, payer: str, payee: str, amount: int) -> None:
        self.entries += [(cause, payer, -amount), (cause, payee, amount)]

    def hold(self, hold: str, owner: str, amount: int, due: datetime | None) -> str:
        code = self._no_debit(owner, amount)
        if code is None:
            self.holds[hold] = PaperHold(owner, amount, due)
        return code or "held"

    def capture(self, hold: str, payee: str, amount: int) -> str:
        """Frozen accounts do not matter: the money was promised before."""
        found = self.holds[hold]
        if not found.is_open:
            return "hold_ended"
        if amount > found.amount:
            return "hold_exceeded"
        found.end = "captured"
        self.move(hold, found.owner, payee, amount)
        return "posted"

    def void(self, hold: str) -> str:
        """A hold ends once; who voids it again is told the same."""
        found = self.holds[hold]
        if found.is_open:
            found.end = "voided"
        return "voided" if found.end == "voided" else "hold_ended"

    def expire(self, now: datetime) -> int:
        due = [
            hold for hold in self.holds.values() if hold.is_open and hold.due and hold.due <= now
        ]
        for hold in due:
            hold.end = "expired"
        return len(due)

    def _no_debit(self, payer: str, amount: int) -> str | None:
        if payer in self.frozen:
            return "account_frozen"
        is_limited = payer != self.people[0]
        if is_limited and self.balance(payer) - self.held(payer) < amount:
            return "insufficient_funds"
        return None
