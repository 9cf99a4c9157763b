"""POST /accounts, GET /accounts/{id} and its entries: wallets and the money in them.

-> account.opening-requested
"""

from typing import Annotated, Final, Literal
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Unavailable
from domain.money import is_currency
from ledger_adapter.ports import AccountEntry
from producers.payments.decide import SOURCE
from producers.payments.edge import PaymentsEdge, TheEdge
from producers.payments.models import (
    AccountAnswer,
    AccountBody,
    AccountLinks,
    AccountOpening,
    EntryAnswer,
)
from producers.payments.quick import Promise
from projections.accounts import AccountProfile
from runtime import limits
from runtime.http.body import read_json
from runtime.http.caller import Caller, TheCaller
from runtime.http.idempotency import (
    HEADER,
    REPLAYED_HEADER,
    idempotency_key_of,
    key_required,
    key_reused,
)
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import Fault, ProblemError
from runtime.http.scope import traceparent_of
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.wire import first_message

router = APIRouter(tags=["accounts"])

ACCOUNT_NAMESPACE: Final = UUID("b3c0a6b2-6f0c-5a6e-8f43-9f0d6b7f2e55")
"""Root of every wallet's id: uuid5 of the client, and of that the idempotency key."""

_JSON: Final = "application/json"


@router.post(
    "/accounts",
    status_code=201,
    response_model=AccountOpening,
    responses={202: {"model": AccountOpening, "description": "Asked for, not open yet"}},
    openapi_extra=takes(AccountBody, "Idempotency-Key", "Prefer"),
    summary="Open a wallet",
)
async def post_account(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """201 once the wallet is open; 202 where that takes longer than the wait."""
    key = idempotency_key_of(request.scope)
    headers: dict[str, str] = {}
    if key is None:
        if edge.resources.settings.idempotency_key_required:
            raise key_required()
        key = headers[HEADER] = str(edge.resources.clock.random_id())
    body = await read_json(request)
    currency = body.parse(AccountBody).currency
    if not is_currency(currency):
        fault = Fault("/currency", "is not an ISO 4217 code such as USD", "unknown_currency")
        raise ProblemError(422, "unknown_currency", fault.message, faults=[fault])
    account_id = uuid5(uuid5(ACCOUNT_NAMESPACE, caller.client_id), key)
    headers["Location"] = f"/accounts/{account_id}"
    wait_s: float | None = wait_of(request.scope)
    if wait_s is not None:
        headers[APPLIED_HEADER] = f"wait={wait_s}"
    profile = await _profile_if_known(edge, account_id, caller)
    known = profile or await edge.promised.find(account_id, client_id=caller.client_id)
    if known is not None and known.currency != currency:
        raise key_reused()
    if profile is not None:
        headers[REPLAYED_HEADER] = "true"
    else:
        await _publish(edge, request, account_id, caller, currency, body.fingerprint)
        await edge.promised.remember(account_id, Promise(caller.client_id, currency))
        profile = await edge.opened.wait_for(
            account_id,
            lambda _: True,
            timeout_s=limits.ACCOUNT_WAIT_S if wait_s is None else wait_s,
        )
        if profile is not None and profile.currency != currency:
            raise key_reused()
    opening = AccountOpening(
        id=account_id,
        state="opening" if profile is None else "open",
        currency=currency,
        links=_links_of(account_id),
    )
    status = 202 if profile is None else 201
    return Response(
        opening.model_dump_json(), status_code=status, headers=headers, media_type=_JSON
    )


@router.get(
    "/accounts/{account_id}",
    response_model=AccountAnswer | AccountOpening,
    summary="A wallet as it stands",
)
async def get_account(account_id: UUID, edge: TheEdge, caller: TheCaller) -> Response:
    """Its money comes from the ledger. One that was just asked for is `opening`."""
    profile = await edge.profile(account_id, client_id=caller.client_id)
    if profile is None:
        promise = await edge.promised.find(account_id, client_id=caller.client_id)
        if promise is None:
            raise _not_found()
        opening = AccountOpening(
            id=account_id,
            state="opening",
            currency=promise.currency,
            links=_links_of(account_id),
        )
        return Response(opening.model_dump_json(), media_type=_JSON)
    account = (await edge.ledger.balances([account_id]))[account_id]
    state: Literal["open", "frozen"] = "frozen" if account.is_frozen else "open"
    answer = AccountAnswer(
        id=account_id,
        state=state,
        currency=account.currency,
        tier=profile.tier,
        balance=account.balance_minor,
        held=account.held_minor,
        available=account.available_minor,
        requested_at=profile.requested_at,
        links=_links_of(account_id),
    )
    return Response(answer.model_dump_json(), media_type=_JSON)


@router.get(
    "/accounts/{account_id}/entries",
    response_model=Page[EntryAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="A wallet's entries, the newest first",
)
async def get_entries(
    account_id: UUID, query: Annotated[PageQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """Each with the balance it left."""
    if await edge.profile(account_id, client_id=caller.client_id) is None:
        raise _not_found()
    cursors = edge.resources.cursors
    scope = f"entries|{account_id}"
    before = None
    if query.cursor is not None:
        [before] = cursors.read(query.cursor, scope=scope)
    found = await edge.ledger.entries(account_id, before_sequence=before, limit=query.limit + 1)
    page = page_of(
        found,
        limit=query.limit,
        document=_entry_answer,
        cursor=lambda entry: cursors.write([entry.sequence], scope=scope),
    )
    return Response(page.model_dump_json(), media_type=_JSON)


def _not_found() -> ProblemError:
    return ProblemError(404, "account_not_found", "there is no such account")


async def _profile_if_known(
    edge: PaymentsEdge, account_id: UUID, caller: Caller
) -> AccountProfile | None:
    try:
        return await edge.profile(account_id, client_id=caller.client_id)
    except Unavailable:
        # Asked for again without knowing: the stage opens an account once.
        return None


async def _publish(
    edge: PaymentsEdge,
    request: Request,
    account_id: UUID,
    caller: Caller,
    currency: str,
    fingerprint: str,
) -> None:
    now = edge.resources.clock.now()
    request_id = uuid5(account_id, fingerprint)
    event = AccountOpeningRequested(
        request_id=request_id,
        requested_at=now,
        account_id=account_id,
        client_id=caller.client_id,
        kind=AccountKind.WALLET,
        tier=Tier.UNVERIFIED,
        currency=currency,
    )
    message = first_message(
        event,
        event_id=request_id,
        source=SOURCE,
        now=now,
        traceparent=traceparent_of(request.scope),
    )
    await edge.resources.publisher.publish([message], deadline_s=limits.EDGE_PUBLISH_S_MAX)


def _links_of(account_id: UUID) -> AccountLinks:
    return AccountLinks(self=f"/accounts/{account_id}", entries=f"/accounts/{account_id}/entries")


def _entry_answer(entry: AccountEntry) -> EntryAnswer:
    return EntryAnswer(
        sequence=entry.sequence,
        posting_id=entry.posting_id,
        amount=entry.amount_minor,
        balance_after=entry.balance_after_minor,
        posted_at=entry.posted_at,
    )
