"""The inbound.* topics: what providers tell us by their webhooks, as they said it."""

from typing import Annotated, ClassVar

from pydantic import Field

from schemas.event import Fingerprint, RequestEvent

ProviderName = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z0-9]+)*$", max_length=64)]
RawBody = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=200_000)]
"""Bytes in base64."""
SealedBody = Annotated[str, Field(pattern=r"^[A-Za-z0-9_=-]+$", max_length=240_000)]
"""The same, as only the vault can read it, for the purpose `inbound:<request_id>`."""


class InboundReceived(RequestEvent):
    """A provider told us something, and proved that it was the provider; `body` is as it came.

    Source: producers.inbound, once for each id of the provider's, by a request derived from it.
    Key:    request_id.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "inbound.received.v1"

    provider: ProviderName
    provider_event_id: Annotated[str, Field(min_length=1, max_length=255)]
    """What the provider calls it; where it has no name, the digest of what was signed."""
    body_sha256: Fingerprint
    body: RawBody | None = None
    """Where the provider's messages tell nothing of people."""
    body_sealed: SealedBody | None = None
    """Where they do."""

    @property
    def key(self) -> str:
        """The request."""
        return str(self.request_id)
