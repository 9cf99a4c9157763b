"""The page's own code for receivers, run against what the pool sends."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from runtime.standard_webhooks import Scheme, new_secret
from tests.producers.webhook_delivery.place import Place, settle
from tests.support.sink import open_sink

pytestmark = pytest.mark.real

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text("utf-8")

Verify = Callable[[str, Mapping[str, str], bytes], str]


def block(language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


@pytest.fixture
def verify() -> Verify:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "docs/webhooks.md", "exec"), names)
    found: Verify = names["verify"]
    return found


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_the_pages_receiver_believes_what_we_send_and_nothing_else(
    place: Place, verify: Verify, scheme: Scheme
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        endpoint, other = await place.endpoint(sink.url(), scheme=scheme), new_secret(scheme)
        await place.tell(endpoint.client_id)
        await settle(pool)
    [received] = sink.received
    shown = endpoint.secret.shown
    assert verify(shown, received.headers, received.body) == received.headers["webhook-id"]
    for secret, headers, body in (
        (other.shown, received.headers, received.body),
        (shown, received.headers, received.body + b" "),
        (shown, received.headers | {"webhook-id": "another"}, received.body),
        (shown, received.headers | {"webhook-timestamp": "1"}, received.body),
        (shown, received.headers | {"webhook-signature": "v1,AAAA v1a,AAAA x"}, received.body),
    ):
        with pytest.raises(ValueError, match=r"right|too far off"):
            verify(secret, headers, body)


async def test_while_two_secrets_sign_the_pages_receiver_may_have_either(
    place: Place, verify: Verify
) -> None:
    async with open_sink() as sink, place.pool() as pool:
        endpoint, new = await place.endpoint(sink.url()), new_secret(Scheme.V1)
        await place.add_secret(endpoint, new, place.clock.now() + timedelta(hours=1))
        await place.tell(endpoint.client_id)
        await settle(pool)
    [received] = sink.received
    for secret in (endpoint.secret, new):
        assert verify(secret.shown, received.headers, received.body)


def test_the_pages_example_comes_out() -> None:
    secret, signature = (
        re.search(pattern, PAGE, re.DOTALL)[1]  # type: ignore[index]
        for pattern in (r"`(whsec_[A-Za-z0-9+/=]+)`", r"is\n`(v1,[A-Za-z0-9+/=]+)`")
    )
    library = standardwebhooks.Webhook(secret)
    at = datetime.fromtimestamp(1_795_440_074, UTC)
    assert library.sign("msg_1", at, '{"a":1}') == signature
