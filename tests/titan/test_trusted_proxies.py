"""Where a request comes from: who connects says it, or a proxy that the settings name."""

from typing import Any

import pytest
from pydantic import ValidationError

from runtime.settings import Settings
from titan.edge import config_of

PROXY, STRANGER, SOMEBODY = "10.1.2.3", "192.0.2.7", "198.51.100.9"


async def seen(settings: Settings, *, peer: str, forwarded_for: str) -> str:
    """The address of a request that `peer` hands on, as a route of an edge sees it."""
    found: list[str] = []

    async def application(scope: dict[str, Any], _receive: object, _send: object) -> None:
        found.append(scope["client"][0])

    config = config_of("feed", settings)
    config.app, config.factory = application, False
    config.load()
    scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4711),
        "headers": [(b"x-forwarded-for", forwarded_for.encode())],
    }
    await config.loaded_app(scope, None, None)
    return found[0]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded_for", "address"),
    [
        ("", PROXY, SOMEBODY, PROXY),
        ("10.0.0.0/8", STRANGER, SOMEBODY, STRANGER),
        ("10.0.0.0/8", PROXY, SOMEBODY, SOMEBODY),
        ("192.0.2.1, 10.0.0.0/8", PROXY, SOMEBODY, SOMEBODY),
        # What a client wrote itself stands before what the first proxy of ours has added.
        ("10.0.0.0/8", PROXY, f"203.0.113.1, {SOMEBODY}, 10.9.9.9", SOMEBODY),
    ],
)
async def test_only_a_trusted_proxy_says_who_asks(
    trusted: str, peer: str, forwarded_for: str, address: str
) -> None:
    settings = Settings(trusted_proxies=trusted)
    assert await seen(settings, peer=peer, forwarded_for=forwarded_for) == address


@pytest.mark.parametrize("trusted", ["*", "proxy.example.com", "10.0.0.1/8", "10.0.0.0/8,nonsense"])
def test_whom_to_trust_is_said_by_address(trusted: str) -> None:
    with pytest.raises(ValidationError, match="TITAN_TRUSTED_PROXIES"):
        Settings(trusted_proxies=trusted)
