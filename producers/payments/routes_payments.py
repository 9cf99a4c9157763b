"""GET /payments and GET /payments/{id}: what became of payments."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Unavailable
from domain.payment import FINAL, State
from producers.payments.answers import answer_of, requested_answer
from producers.payments.edge import PaymentsEdge, TheEdge
from producers.payments.models import PaymentAnswer
from producers.payments.words import opened_descriptions
from projections.payments import Filters, PageStart, Payment, list_payments
from runtime.contact_handles import handle_of
from runtime.http.authorization import admit_again
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes
from runtime.http.page import Page, PageQuery, page_of, refuse_repeats
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import ProblemError
from runtime.vault import Vault

router = APIRouter(tags=["payments"])

_JSON: Final = "application/json"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def _rfc3339_only(value: object) -> object:
    # pydantic would also read a bare number as a time.
    if isinstance(value, str) and not _RFC3339.match(value):
        raise ValueError("not an RFC 3339 time")
    return value


def _in_utc(time: datetime) -> datetime:
    # The first and last hours of the calendar have no such instant in UTC, nor in the database.
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a time of this calendar") from None


Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339_only), AfterValidator(_in_utc)]


class PaymentsQuery(PageQuery):
    """What a list of payments is narrowed to."""

    handle: str | None = Field(None, max_length=256, description="the payer's or the payee's")
    state: State | None = None
    accepted_from: Time | None = Field(None, alias="from", description="accepted then or later")
    accepted_until: Time | None = Field(None, alias="to", description="accepted before")

    def filters(self, vault: Vault) -> Filters:
        """The filters, handles in their one spelling; Invalid if it is none."""
        return Filters(
            handle=None if self.handle is None else handle_of(self.handle, vault),
            state=self.state,
            accepted_from=self.accepted_from,
            accepted_until=self.accepted_until,
        )


@router.get(
    "/payments",
    response_model=Page[PaymentAnswer],
    dependencies=[Depends(refuse_repeats)],
    summary="Payments, the newest first",
)
async def get_payments(
    query: Annotated[PaymentsQuery, Query()], edge: TheEdge, caller: TheCaller
) -> Response:
    """This client's payments only."""
    filters = query.filters(edge.resources.vault)
    cursors = edge.resources.cursors
    scope = f"payments|{caller.client_id}|{filters}"
    after = None
    if query.cursor is not None:
        accepted_at, payment_id = cursors.read(query.cursor, scope=scope)
        after = PageStart(datetime.fromisoformat(accepted_at), UUID(payment_id))
    async with edge.resources.database.connection() as connection:
        found = await list_payments(
            connection, caller.client_id, filters, after=after, limit=query.limit + 1
        )

    words = await opened_descriptions(edge.resources.vault, found[: query.limit])

    def cursor_of(payment: Payment) -> str:
        position = [payment.accepted_at.isoformat(), str(payment.payment_id)]
        return cursors.write(position, scope=scope)

    page = page_of(
        found,
        limit=query.limit,
        document=lambda payment: answer_of(payment, words),
        cursor=cursor_of,
    )
    return Response(page.model_dump_json(), media_type=_JSON)


@router.get(
    "/payments/{payment_id}",
    response_model=PaymentAnswer,
    openapi_extra=takes(None, "Prefer"),
    summary="A payment as it stands",
)
async def get_payment(
    payment_id: UUID, request: Request, edge: TheEdge, caller: TheCaller
) -> Response:
    """With `Prefer: wait=n` the answer waits for the next state, unless this one is final."""
    answer = await payment_answer(edge, payment_id, client_id=caller.client_id)
    headers: dict[str, str] = {}
    wait_s = wait_of(request.scope)
    if wait_s is not None:
        headers[APPLIED_HEADER] = f"wait={wait_s}"
        if answer.state not in FINAL and await _moved(edge, answer, wait_s):
            await admit_again(request)
            answer = await payment_answer(edge, payment_id, client_id=caller.client_id)
    return Response(answer.model_dump_json(), headers=headers, media_type=_JSON)


async def payment_answer(edge: PaymentsEdge, payment_id: UUID, *, client_id: str) -> PaymentAnswer:
    """The payment from the projection, else from the quick answer; ProblemError 404 if neither.

    Another client's payment is not found, like one that never was.
    """
    payment, down = None, None
    try:
        payment = await edge.payment(payment_id, client_id=client_id)
    except Unavailable as error:
        down = error
    if payment is not None:
        return answer_of(payment, await opened_descriptions(edge.resources.vault, [payment]))
    known = await edge.quick.find(payment_id, client_id=client_id)
    if known is not None:
        return requested_answer(payment_id, known)
    if down is not None:
        raise down
    raise ProblemError(404, "payment_not_found", "there is no such payment")


async def _moved(edge: PaymentsEdge, answer: PaymentAnswer, wait_s: int) -> bool:
    try:
        state = await edge.states.wait_for(
            answer.id, lambda state: state is not answer.state, timeout_s=wait_s
        )
    except Unavailable:
        return False
    return state is not None
