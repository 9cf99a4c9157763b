"""Every token of tokens.yaml, shown to every edge: one answer, the same for all of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.corpus.cases import expanded
from tests.corpus.tokens.minting import Mint, TokenCase
from tests.corpus.wire import Sent, exchange
from tests.support.asgi import Answer
from tests.support.whole_titan import WholeTitan

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(60)]

CASES = [
    TokenCase.model_validate(expanded(line, ""))
    for line in yaml.safe_load(Path(__file__).with_name("tokens.yaml").read_text("utf-8"))
]
ROUTES = {
    "payments": "/payments",
    "handles": "/handles/resolve?handle=alice",
    "auth": "/auth/sessions",
    "users": "/users/me",
    "notifications": "/notifications/unread",
    "webhooks": "/webhooks/endpoints",
    "feed": "/events",
}
"""One of each edge that asks who calls: what comes in by a signature shows no token."""
REFUSED: dict[str, Any] = {
    "type": "urn:titan:problem:invalid_token",
    "title": "Invalid token",
    "status": 401,
    "detail": "the access token does not hold; sign in, or refresh it",
    "code": "invalid_token",
    "errors": [],
}


@pytest.mark.parametrize("room", ROUTES)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_does_not_hold(titan: WholeTitan, mint: Mint, room: str, case: TokenCase) -> None:
    answer = shown(titan, room, mint.token(case))

    document = json.loads(answer.body)
    assert {name: document[name] for name in REFUSED} == REFUSED
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="titan", error="invalid_token"'


@pytest.mark.parametrize("room", ROUTES)
def test_what_they_all_begin_as_holds(titan: WholeTitan, mint: Mint, room: str) -> None:
    assert shown(titan, room, mint.holding()).status == 200


def shown(titan: WholeTitan, room: str, token: str) -> Answer:
    lines = [
        f"GET {ROUTES[room]} HTTP/1.1",
        "host: localhost",
        "connection: close",
        f"authorization: Bearer {token}",
    ]
    return exchange(titan.address(room), Sent("\r\n".join([*lines, "", ""]).encode("latin-1"), []))


def test_no_edge_that_asks_for_a_token_is_left_out(titan: WholeTitan) -> None:
    assert set(titan.rooms) - ROUTES.keys() == {"inbound"}
