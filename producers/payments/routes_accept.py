"""POST /payments and POST /payments/bulk: payments come in.

-> payment.requested
"""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import Unavailable
from domain.payment import FINAL
from producers.payments.answers import (
    accepted_json,
    answer_of,
    links_of,
    location_of,
    problem_of_verdict,
)
from producers.payments.decide import Candidate, Verdict, candidate_of
from producers.payments.edge import PaymentsEdge, edge_of
from producers.payments.models import (
    BulkAnswer,
    BulkBody,
    BulkItemBody,
    PaymentAccepted,
    PaymentAnswer,
    PaymentBody,
)
from producers.payments.words import opened_descriptions
from runtime import limits
from runtime.http.body import canonical_json, fingerprint_of, read_json
from runtime.http.caller import Caller, caller_of
from runtime.http.idempotency import (
    HEADER,
    REPLAYED_HEADER,
    idempotency_key_of,
    key_required,
    parse_idempotency_key,
)
from runtime.http.openapi import takes
from runtime.http.prefer import APPLIED_HEADER, wait_of
from runtime.http.problem import ProblemError, body_problem, problem_of
from runtime.http.scope import request_id_of, traceparent_of
from runtime.vault import Vault

router = APIRouter(tags=["payments"])

_JSON: Final = "application/json"


@router.post(
    "/payments",
    status_code=202,
    response_model=PaymentAccepted,
    responses={
        200: {"model": PaymentAnswer, "description": "Final within the wait that was preferred"}
    },
    openapi_extra=takes(PaymentBody, "Idempotency-Key", "Prefer"),
    summary="Ask for a payment",
)
async def post_payment(request: Request) -> Response:
    """202: it is in the log. The same key and body again: the same answer.

    404 where you may not pay from that handle, whether somebody else holds it or nobody does.
    503 with `"state":"unknown"`: it may be in the log; repeat with the same key to find out.
    """
    edge = edge_of(request)
    edge.admit()
    scope = request.scope
    caller = await caller_of(request)
    key = idempotency_key_of(scope)
    is_fresh = key is None
    if key is None:
        key = _made_key(edge)
    body = await read_json(request)
    candidate = candidate_of(
        body.parse(PaymentBody),
        caller=caller,
        key=key,
        is_fresh=is_fresh,
        fingerprint=body.fingerprint,
        traceparent=traceparent_of(scope),
        vault=edge.resources.vault,
    )
    verdict = await edge.acceptor.accept(candidate)
    problem = problem_of_verdict(verdict)
    if problem is not None:
        if is_fresh:
            problem.headers[HEADER] = key
        raise problem
    headers = {"Location": location_of(candidate.payment_id)}
    if is_fresh:
        headers[HEADER] = key
    if verdict is Verdict.REPLAYED:
        headers[REPLAYED_HEADER] = "true"
    wait_s = wait_of(scope)
    if wait_s is not None:
        headers[APPLIED_HEADER] = f"wait={wait_s}"
        final = await _final_within(wait_s, edge, candidate)
        if final is not None:
            return Response(final.model_dump_json(), headers=headers, media_type=_JSON)
    return Response(
        accepted_json(candidate.payment_id), status_code=202, headers=headers, media_type=_JSON
    )


@router.post(
    "/payments/bulk",
    response_model=BulkAnswer,
    openapi_extra=takes(BulkBody),
    summary="Ask for up to 1,000 payments",
)
async def post_payments(request: Request) -> Response:
    """200 whatever the items come to: each has a status of its own, as it would have alone.

    An item's key means the same as the header of POST /payments: the same payment.
    """
    edge = edge_of(request)
    edge.admit()
    caller = await caller_of(request)
    body = await read_json(request, bytes_max=limits.BULK_BODY_BYTES_MAX)
    traceparent = traceparent_of(request.scope)
    understood = [
        _understood(item, caller=caller, traceparent=traceparent, vault=edge.resources.vault)
        for item in _items(body.value)
    ]
    candidates = [each for each in understood if isinstance(each, Candidate)]
    verdicts = iter(await edge.acceptor.accept_many(candidates))
    request_id = request_id_of(request.scope)
    data: list[dict[str, Any]] = []
    for index, each in enumerate(understood):
        if isinstance(each, Candidate):
            verdict = next(verdicts)
            problem = problem_of_verdict(verdict)
            if problem is None:
                data.append(_accepted_item(index, each.payment_id, verdict))
                continue
        else:
            problem = each
        document = problem.document(request_id)
        data.append({"index": index, "status": problem.status, "problem": document})
    accepted = sum("problem" not in item for item in data)
    return JSONResponse({"data": data, "accepted": accepted, "refused": len(data) - accepted})


def _made_key(edge: PaymentsEdge) -> str:
    """A key for a request that brought none, where that is allowed."""
    resources = edge.resources
    if resources.settings.idempotency_key_required:
        raise key_required()
    return str(resources.clock.random_id())


async def _final_within(
    wait_s: int, edge: PaymentsEdge, candidate: Candidate
) -> PaymentAnswer | None:
    """The payment, if it ends within the wait; what is down makes that a no."""
    try:
        state = await edge.states.wait_for(
            candidate.payment_id, FINAL.__contains__, timeout_s=wait_s
        )
        if state is None:
            return None
        payment = await edge.payment(candidate.payment_id, client_id=candidate.client_id)
        if payment is None:
            return None
        return answer_of(payment, await opened_descriptions(edge.resources.vault, [payment]))
    except Unavailable:
        return None


def _items(value: Any) -> list[Any]:  # noqa: ANN401 - JSON is anything
    """The items of a bulk's body, each yet to be understood."""
    items = value.get("payments") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(items, list) or not 1 <= len(items) <= limits.BULK_PAYMENTS_MAX:
        raise ProblemError(
            422,
            "invalid_body",
            f"the body is an object with `payments`, a list of 1 to {limits.BULK_PAYMENTS_MAX}",
        )
    return items


def _understood(
    item: Any,  # noqa: ANN401 - JSON is anything
    *,
    caller: Caller,
    traceparent: str | None,
    vault: Vault,
) -> Candidate | ProblemError:
    """One payment of a bulk, or what is wrong with it."""
    try:
        body = BulkItemBody.model_validate_json(canonical_json(item))
        key = parse_idempotency_key(body.idempotency_key)
        # Without its key the item is the body that POST /payments would have got.
        fingerprint = fingerprint_of(
            {name: value for name, value in item.items() if name != "idempotency_key"}
        )
        return candidate_of(
            body,
            caller=caller,
            key=key,
            is_fresh=False,
            fingerprint=fingerprint,
            traceparent=traceparent,
            vault=vault,
        )
    except ValidationError as error:
        return body_problem(error, BulkItemBody)
    except ProblemError as error:
        return problem_of(error)


def _accepted_item(index: int, payment_id: UUID, verdict: Verdict) -> dict[str, Any]:
    return {
        "index": index,
        "status": 202,
        "id": str(payment_id),
        "state": "requested",
        "replayed": verdict is Verdict.REPLAYED,
        "links": links_of(payment_id).model_dump(),
    }
