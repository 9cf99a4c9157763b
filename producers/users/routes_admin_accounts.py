"""Accounts that staff stops and lets go: an order on the log, which the ledger carries out.

-> account.freeze-requested
"""

from typing import Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from producers.users.decide import messages_of
from producers.users.edge import TheEdge, UsersEdge
from producers.users.models import FreezeBody
from producers.users.models_admin import AccountStandingAnswer, FreezeAnswer
from projections.accounts import read_accounts
from runtime.http.audit import record_act
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.openapi import takes
from runtime.http.problem import ProblemError
from runtime.outbox import put
from schemas.account import AccountFreezeRequested, AccountKind

router = APIRouter(prefix="/admin/accounts", tags=["staff"])

_JSON: Final = "application/json"

_LOCK_ACCOUNT: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 1718773093))"
"""Orders about one account go onto the log in the order in which they were committed."""


@router.get(
    "/{account_id}", response_model=AccountStandingAnswer, summary="Whether an account is frozen"
)
async def get_account(account_id: UUID, edge: TheEdge) -> Response:
    """As the ledger has it; its money is shown to its holder only."""
    account = (await edge.ledger.balances([account_id])).get(account_id)
    if account is None:
        raise _no_account()
    state = "frozen" if account.is_frozen else "open"
    answer = AccountStandingAnswer.model_validate({"id": account_id, "state": state})
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.post(
    "/{account_id}/freeze",
    status_code=202,
    response_model=FreezeAnswer,
    openapi_extra=takes(FreezeBody),
    summary="Freeze an account",
)
async def post_freeze(
    account_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """From when the ledger has heard of it, payments from and to it end as account_frozen."""
    return await _order(edge, request, caller, account_id, is_frozen=True)


@router.post(
    "/{account_id}/unfreeze",
    status_code=202,
    response_model=FreezeAnswer,
    openapi_extra=takes(FreezeBody),
    summary="Let a frozen account go",
)
async def post_unfreeze(
    account_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """The later of two orders stands, however close they come."""
    return await _order(edge, request, caller, account_id, is_frozen=False)


async def _order(
    edge: UsersEdge, request: Request, caller: Caller, account_id: UUID, *, is_frozen: bool
) -> Response:
    reason = (await read_json(request)).parse(FreezeBody).reason
    act = edge.act(request, caller)
    async with edge.unit() as connection:
        profile = (await read_accounts(connection, [account_id])).get(account_id)
        if profile is None:
            raise _no_account()
        if profile.kind is not AccountKind.WALLET:
            raise ProblemError(409, "system_account", "Titan's own accounts are not frozen")
        await connection.execute(_LOCK_ACCOUNT, account_id)
        action = "account.freeze" if is_frozen else "account.unfreeze"
        await record_act(request, connection, action, f"account:{account_id}", reason=reason)
        event = AccountFreezeRequested(
            request_id=act.act_id,
            requested_at=act.at,
            account_id=account_id,
            is_frozen=is_frozen,
            reason=reason,
            actor=caller.client_id,
            client_id=profile.client_id,
        )
        await put(connection, messages_of(act, event))
    answer = FreezeAnswer(request_id=act.act_id, account_id=account_id, state="requested")
    return Response(answer.model_dump_json(), status_code=202, media_type=_JSON)


def _no_account() -> ProblemError:
    return ProblemError(404, "account_not_found", "there is no such account")
