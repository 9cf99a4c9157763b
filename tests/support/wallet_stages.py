"""The stages that a wallet payment passes, over whatever ports a test has for them."""

from functools import partial

from consumers.handle_resolution.handler import on_payment_conflicted, on_payments_requested
from consumers.handle_resolution.ports import Acceptances, Directory, Grants
from consumers.ledger_posting.handler import on_payments_screened
from consumers.payment_projection.handler import on_payment_events
from consumers.payment_projection.ports import Payments
from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.ports import Payers
from domain.limits import RiskLimits
from ledger_adapter.ports import Ledger
from runtime.stage import Stage


def wallet_stages(
    *,
    directory: Directory,
    acceptances: Acceptances,
    grants: Grants,
    payers: Payers,
    limits: RiskLimits,
    ledger: Ledger,
    payments: Payments,
) -> tuple[Stage, ...]:
    """The real stages, in the order of the flow."""
    return (
        Stage(
            "handle_resolution",
            partial(
                on_payments_requested, directory=directory, acceptances=acceptances, grants=grants
            ),
            on_conflict=on_payment_conflicted,
        ),
        Stage("risk_screening", partial(on_payments_resolved, payers=payers, limits=limits)),
        Stage("ledger_posting", partial(on_payments_screened, ledger=ledger)),
        Stage("payment_projection", partial(on_payment_events, payments=payments), inbox=False),
    )
