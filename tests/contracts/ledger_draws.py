"""What the state machine draws from, and the words in which answers are compared."""

from hypothesis import strategies as st

from domain.account import NO_MINIMUM_MINOR
from domain.hold import Ended, Held, HoldRefused
from domain.posting import Posted, Refused
from tests.contracts.ledger_model import MOST

Result = Posted | Refused | Held | HoldRefused | Ended

# Two wallets, one that may be overdrawn, two without a limit, one in another currency.
OPENED = [("USD", 0), ("USD", 0), ("USD", -50), *2 * [("USD", NO_MINIMUM_MINOR)], ("EUR", 0)]
UNLIMITED = 3
FUNDS_MINOR = 300
# More often an account that can do something than the other currency or the one never opened.
accounts = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, len(OPENED)])
amounts = st.sampled_from([1, 2, 7, 20, 50, 100, 100, MOST - 100, MOST])
currencies = st.sampled_from(["USD"] * 7 + ["EUR"])
ids = st.integers(0, 15)
mostly = st.sampled_from([True, True, True, False])


@st.composite
def moves(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Two or three entries that balance; the first is the debit."""
    payer, payee, third = draw(st.lists(accounts, min_size=3, max_size=3, unique=True))
    amount = draw(amounts)
    if draw(st.booleans()) and amount > 1:
        return [(payer, -amount), (payee, amount - 1), (third, 1)]
    return [(payer, -amount), (payee, amount)]


def word(result: Result) -> str:
    match result:
        case Posted():
            return "posted"
        case Held():
            return "held"
        case Ended():
            return str(result.how)
        case Refused() | HoldRefused():
            return str(result.code)
