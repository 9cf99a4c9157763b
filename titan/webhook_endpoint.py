"""An endpoint of webhooks that lives as long as who listens there: made, and taken away again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx

from domain.errors import Invalid, Unavailable
from runtime.settings import Settings

_ASK_S_MAX: Final = 5.0
_ENDPOINTS_READ: Final = 100


def webhooks_url(settings: Settings) -> str:
    """Where Webhooks answer."""
    return f"http://{settings.bind_host}:{settings.webhooks_port}"


@asynccontextmanager
async def open_endpoint(
    settings: Settings,
    url: str,
    *,
    description: str,
    event_types: Sequence[str],
    rate_per_s: int | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[str]:
    """An endpoint at this URL for as long as the block; yields its secret.

    One of the same description, left by a run that was killed, is taken away first: nobody listens
    where it leads. Unavailable if the edge does not answer, Invalid if it refuses.
    """
    async with httpx.AsyncClient(
        base_url=webhooks_url(settings),
        timeout=_ASK_S_MAX,
        # As the other edges: a proxy of the environment has no part in a demo.
        trust_env=False,
        transport=transport,
    ) as http:
        known = await _ask(http, "GET", "/webhooks/endpoints", params={"limit": _ENDPOINTS_READ})
        for each in known["data"]:
            if each["description"] == description:
                await _remove(http, each["endpoint_id"])
        body = {
            "url": url,
            "description": description,
            "event_types": list(event_types),
            "rate_per_s": rate_per_s,
        }
        made = await _ask(http, "POST", "/webhooks/endpoints", json=body)
        try:
            yield str(made["secret"])
        finally:
            # Titan may have gone first; what is left then is taken away by the next run.
            with suppress(Invalid, Unavailable):
                await _remove(http, made["endpoint_id"])


async def _remove(http: httpx.AsyncClient, endpoint_id: str) -> None:
    await _ask(http, "DELETE", f"/webhooks/endpoints/{endpoint_id}", headers={"If-Match": "*"})


async def _ask(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    **request: Any,  # noqa: ANN401 - httpx's own options
) -> dict[str, Any]:
    try:
        answer = await http.request(method, path, **request)
    except httpx.HTTPError as error:
        raise Unavailable(
            f"no edge of webhooks answers at {http.base_url}: start Titan with `make run`"
        ) from error
    if answer.status_code == httpx.codes.NO_CONTENT:
        return {}
    what = f"{method} {answer.url}: {answer.status_code}"
    try:
        content: dict[str, Any] = answer.json()
    except ValueError as error:
        raise Unavailable(f"{what}, and no JSON") from error
    if answer.is_server_error:
        raise Unavailable(f"{what} {content.get('detail')}")
    if answer.is_error:
        raise Invalid(str(content.get("code")), str(content.get("detail")))
    return content
