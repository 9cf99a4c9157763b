"""Ready-made events about handles and accounts, each field overridable."""

from typing import Any
from uuid import UUID, uuid5

from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.handle import HandleClaimRequested, HandlePortRequested, HandleReleaseRequested
from tests.support.events import ALICE
from tests.support.memory_stage import NOW, ROOT

NAME_SEALED = "c2VhbGVk"


def request_id(name: object) -> UUID:
    return uuid5(ROOT, f"request {name}")


def claim_requested(name: object = "a claim", **changes: Any) -> HandleClaimRequested:
    fields = _fields(name) | {"account_id": ALICE, "display_name_sealed": NAME_SEALED}
    return HandleClaimRequested(**(fields | changes))


def port_requested(name: object = "a port", **changes: Any) -> HandlePortRequested:
    return HandlePortRequested(**(_fields(name) | {"account_id": ALICE} | changes))


def release_requested(name: object = "a release", **changes: Any) -> HandleReleaseRequested:
    return HandleReleaseRequested(**(_fields(name) | changes))


def opening_requested(name: object = "an opening", **changes: Any) -> AccountOpeningRequested:
    fields: dict[str, Any] = {
        "request_id": request_id(name),
        "requested_at": NOW,
        "account_id": ALICE,
        "client_id": "demo",
        "kind": AccountKind.WALLET,
        "tier": Tier.VERIFIED,
        "currency": "USD",
    }
    return AccountOpeningRequested(**(fields | changes))


def _fields(name: object) -> dict[str, Any]:
    return {
        "request_id": request_id(name),
        "requested_at": NOW,
        "handle": "alice",
        "fingerprint": "0" * 64,
        "client_id": "demo",
    }
