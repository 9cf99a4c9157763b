"""GET and PUT /notifications/preferences, and the links that stop e-mails."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from producers.notifications.decide import preferences_answer, preferences_of
from producers.notifications.edge import NotificationsEdge, TheEdge
from producers.notifications.models import PreferencesAnswer, PreferencesBody
from producers.notifications.preferences import read_preferences, stop_mail, write_preferences
from producers.notifications.unsubscribing import Unsubscription
from runtime.http.body import read_json
from runtime.http.caller import TheCaller
from runtime.http.openapi import takes

router = APIRouter(tags=["preferences"])

_JSON: Final = "application/json"
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
}

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,1024}$")]


@router.get(
    "/notifications/preferences",
    response_model=PreferencesAnswer,
    summary="How you are told",
)
async def get_preferences(edge: TheEdge, caller: TheCaller) -> Response:
    """As they take effect: what you have never chosen has its default."""
    async with edge.resources.database.connection() as connection:
        found = await read_preferences(connection, caller.client_id)
    return Response(preferences_answer(found).model_dump_json(), media_type=_JSON)


@router.put(
    "/notifications/preferences",
    response_model=PreferencesAnswer,
    openapi_extra=takes(PreferencesBody),
    summary="Choose how you are told",
)
async def put_preferences(request: Request, edge: TheEdge, caller: TheCaller) -> Response:
    """The whole of it: what is left out has its default from now on."""
    wanted = preferences_of((await read_json(request)).parse(PreferencesBody))
    async with edge.resources.database.connection() as connection:
        await write_preferences(connection, caller.client_id, wanted)
    return Response(preferences_answer(wanted).model_dump_json(), media_type=_JSON)


@router.get(
    "/unsubscribe/{token}",
    response_class=HTMLResponse,
    summary="Ask whether e-mails on a subject shall stop",
)
async def get_unsubscribe(token: Token, edge: TheEdge) -> Response:
    """A page with one button. Looking changes nothing: programs that check mail look as well."""
    return await _page(edge, edge.links.read(token), is_done=False)


@router.post(
    "/unsubscribe/{token}",
    response_class=HTMLResponse,
    summary="Stop e-mails on a subject (RFC 8058)",
)
async def post_unsubscribe(token: Token, edge: TheEdge) -> Response:
    """Whatever the body says: the address itself is the proof. Again changes nothing."""
    wanted = edge.links.read(token)
    async with edge.resources.database.connection() as connection:
        await stop_mail(connection, wanted.client_id, wanted.subject)
    return await _page(edge, wanted, is_done=True)


async def _page(edge: NotificationsEdge, wanted: Unsubscription, *, is_done: bool) -> Response:
    async with edge.resources.database.connection() as connection:
        locale = (await read_preferences(connection, wanted.client_id)).locale
    page = edge.templates.unsubscribe_page(locale=locale, is_done=is_done)
    return HTMLResponse(page, headers=_PAGE_HEADERS)
