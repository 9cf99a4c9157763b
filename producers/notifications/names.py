"""The other side of a payment, by a name that is masked: opened when it is read or sent.

Nobody who was forgotten has a name any more, and one whose handle names another account by now is
not named by it.
"""

import contextlib
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from domain.client import person_of
from domain.errors import Invalid
from domain.notification import mask_name
from runtime.database import Connection
from runtime.vault import Binding, Vault

DISPLAY_NAME_PURPOSE: Final = "handle.display_name"
"""Under which Handle Resolution seals the names of those who are no people."""

_NAMES: Final = """
    SELECT notification_id, handles.handle, handles.client_id, display_name_sealed
    FROM notifications
    JOIN payments USING (payment_id)
    JOIN directory_handles AS handles
      ON handles.handle = CASE subject WHEN 'payment-received' THEN from_handle ELSE to_handle END
     AND handles.account_id = CASE subject
         WHEN 'payment-received' THEN payer_account_id ELSE payee_account_id END
    WHERE notification_id = ANY($1::uuid[])
"""


async def masked_names(
    connection: Connection, vault: Vault, notification_ids: Collection[UUID]
) -> Mapping[UUID, str]:
    """Of each notification about one payment the other side's masked name, where it has one."""
    rows = await connection.fetch(_NAMES, list(notification_ids)) if notification_ids else []
    names: dict[UUID, str | None] = {}
    sealed: dict[UUID, tuple[Binding, str]] = {}
    for notification_id, handle, client_id, text in rows:
        person_id = person_of(client_id)
        if text is None:
            continue
        if person_id is not None:
            binding = Binding("handle", "display_name", handle, person_id)
            sealed[notification_id] = (binding, text)
            continue
        with contextlib.suppress(Invalid):
            names[notification_id] = vault.open(text, DISPLAY_NAME_PURPOSE)
    if sealed:
        names.update(zip(sealed, await vault.open_each(list(sealed.values())), strict=True))
    return {id_: mask_name(name) for id_, name in names.items() if name}
