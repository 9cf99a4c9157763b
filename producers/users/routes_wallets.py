"""Wallets of one's own, one a currency.

-> account.opening-requested
"""

from typing import Final
from uuid import UUID, uuid5

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.account import Account
from domain.money import is_currency
from producers.users.decide import Act, messages_of
from producers.users.edge import TheEdge
from producers.users.models import WalletAnswer, WalletBody, WalletsAnswer
from projections.accounts import accounts_of
from runtime import limits
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import Fault, ProblemError
from schemas.account import AccountKind, AccountOpeningRequested, Tier

router = APIRouter(tags=["wallets"])

WALLET_NAMESPACE: Final = UUID("7c5f2c34-3d0e-5d0a-9a55-0c1f7a0e6b42")
"""Root of the id of a person's wallet: uuid5 of the client, and of that the currency."""

_JSON: Final = "application/json"


@router.get("/users/me/wallets", response_model=WalletsAnswer, summary="Your wallets")
async def get_wallets(edge: TheEdge, caller: TheCaller) -> Response:
    """All that are open, with the money in them."""
    async with edge.resources.database.connection() as connection:
        profiles = await accounts_of(connection, caller.client_id)
    stand = await edge.ledger.balances([profile.account_id for profile in profiles])
    answer = WalletsAnswer(
        data=[
            wallet_answer(profile.account_id, profile.currency, stand.get(profile.account_id))
            for profile in profiles
        ]
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/users/me/wallets",
    status_code=201,
    response_model=WalletAnswer,
    responses={202: {"model": WalletAnswer, "description": "Asked for, not open yet"}},
    openapi_extra=takes(WalletBody, "Prefer"),
    summary="Open a wallet in a currency",
)
async def post_wallet(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """One a currency: asked for again, it is the same. 202 where that takes longer than the wait.

    Its limits are those of the person's tier, whatever the account itself was opened with.
    """
    body = await read_json(request)
    currency = body.parse(WalletBody).currency
    if not is_currency(currency):
        fault = Fault("/currency", "is not an ISO 4217 code such as USD", "unknown_currency")
        raise ProblemError(422, "unknown_currency", fault.message, faults=[fault])
    act = edge.act(request, caller)
    account_id = uuid5(uuid5(WALLET_NAMESPACE, caller.client_id), currency)
    preferred_s = wait_of(request.scope)
    headers = {} if preferred_s is None else {APPLIED_HEADER: f"wait={preferred_s}"}
    await edge.resources.publisher.publish(
        messages_of(act, _opening(act, account_id, currency)),
        deadline_s=limits.EDGE_PUBLISH_S_MAX,
    )
    profile = await edge.opened.wait_for(
        account_id,
        lambda _: True,
        timeout_s=limits.ACCOUNT_WAIT_S if preferred_s is None else preferred_s,
    )
    account = None
    if profile is not None:
        account = (await edge.ledger.balances([account_id])).get(account_id)
    return Response(
        wallet_answer(account_id, currency, account).model_dump_json(),
        status_code=202 if account is None else 201,
        headers=headers,
        media_type=_JSON,
    )


def wallet_answer(account_id: UUID, currency: str, account: Account | None) -> WalletAnswer:
    """A wallet as its person sees it."""
    if account is None:
        return WalletAnswer(
            id=account_id, currency=currency, state="opening", balance=None, available=None
        )
    return WalletAnswer(
        id=account_id,
        currency=currency,
        state="frozen" if account.is_frozen else "open",
        balance=account.balance_minor,
        available=account.available_minor,
    )


def _opening(act: Act, account_id: UUID, currency: str) -> AccountOpeningRequested:
    return AccountOpeningRequested(
        request_id=act.act_id,
        requested_at=act.at,
        account_id=account_id,
        client_id=act.client_id,
        kind=AccountKind.WALLET,
        tier=Tier.UNVERIFIED,
        currency=currency,
    )
