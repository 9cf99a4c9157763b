"""The webhook.* topic: what becomes of the endpoints that clients have given us."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from domain.webhook import DisabledReason
from schemas.event import ClientId, RequestEvent


class WebhookEndpointDisabled(RequestEvent):
    """An endpoint is sent nothing any more, until its owner enables it again.

    Source: producers.webhook_delivery, by its outbox, once for each time it happens.
    Key:    client_id, whose endpoint it is: notifications tell them.
    Units:  none.
    Errors: breaks this schema -> dead letter, never retried.
    """

    TOPIC: ClassVar[str] = "webhook.endpoint-disabled.v1"

    client_id: ClientId
    endpoint_id: UUID
    reason: DisabledReason
    failing_since: AwareDatetime | None = None

    @property
    def key(self) -> str:
        """The client."""
        return self.client_id
