"""Letters: what was claimed, made ready to leave, or why it does not leave now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from domain.client import client_of
from domain.notification import Channel, Detail, Preferences, Subject
from producers.notifications import devices
from producers.notifications.channels.port import Letter
from producers.notifications.deliveries import Claimed, End
from producers.notifications.names import masked_names
from producers.notifications.templates import Content, Templates
from producers.notifications.unsubscribing import Links
from runtime import recipients
from runtime.database import Connection
from runtime.vault import Binding, Vault


@dataclass(frozen=True, slots=True)
class Hushed:
    """Nobody wants to be told now."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Pointless:
    """There is nobody to tell, or nobody who wants to be told."""

    end: End
    reason: str


Prepared = Letter | Hushed | Pointless


class Desk:
    """Writes letters: asks for tokens, addresses and names as late as it can."""

    def __init__(self, vault: Vault, templates: Templates, links: Links) -> None:
        self._vault = vault
        self._templates = templates
        self._links = links

    async def prepare(
        self,
        connection: Connection,
        channel: Channel,
        claimed: Sequence[Claimed],
        *,
        now: datetime,
    ) -> Mapping[UUID, Prepared]:
        """A letter for each delivery, or why there is none. Raises Unavailable.

        What its person has chosen since it was planned counts.
        """
        ids = [each.delivery_id for each in claimed]
        rows = {row["delivery_id"]: row for row in await connection.fetch(_READ, ids)}
        opened = await self._opened(channel, rows)
        told = {row["notification_id"] for row in rows.values() if _may_name(channel, row)}
        names = await masked_names(connection, self._vault, told)
        prepared: dict[UUID, Prepared] = {}
        for each in claimed:
            row = rows.get(each.delivery_id)
            to = opened.get(each.delivery_id)
            hush = None if row is None else _hush(channel, row, now)
            if row is None or (hush is None and to is None):
                prepared[each.delivery_id] = Pointless(End.UNDELIVERABLE, "nowhere_to_send")
            elif hush is not None:
                prepared[each.delivery_id] = hush
            else:
                assert to is not None
                name = names.get(row["notification_id"])
                prepared[each.delivery_id] = self._letter(channel, row, to, name)
        return prepared

    async def _opened(
        self, channel: Channel, rows: Mapping[UUID, asyncpg.Record]
    ) -> dict[UUID, str]:
        """Tokens or addresses, of those that have one which opens."""
        sealed: dict[UUID, tuple[Binding, str]] = {}
        for delivery_id, row in rows.items():
            if channel is Channel.EMAIL:
                binding = _binding_of_address(row["person_id"])
                text = row["address_sealed"]
            elif row["device_id"] is not None:
                binding = devices.binding_of(row["device_id"], row["person_id"])
                text = row["token_sealed"]
            else:
                continue
            if text is not None:
                sealed[delivery_id] = (binding, text)
        if not sealed:
            return {}
        texts = await self._vault.open_each(list(sealed.values()))
        found = zip(sealed, texts, strict=True)
        return {delivery_id: text for delivery_id, text in found if text is not None}

    def _letter(self, channel: Channel, row: asyncpg.Record, to: str, name: str | None) -> Letter:
        preferences = recipients.preferences_of(row)
        subject, detail = Subject(row["subject"]), preferences.detail(channel)
        content = Content(
            subject=subject,
            count=row["count"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            code=row["code"],
            name=name,
        )
        words = self._templates.words(content, locale=preferences.locale, detail=detail)
        letter = Letter(
            delivery_id=row["delivery_id"],
            to=to,
            title=words.title,
            body=words.body,
            expires_at=row["expires_at"],
            # What the app asks for by itself once it is opened; nothing about the payment.
            data={"notification_id": str(row["notification_id"])},
            registered_at=row["registered_at"],
        )
        if channel is not Channel.EMAIL:
            return letter
        url = self._links.url(client_of(row["person_id"]), subject)
        mail = self._templates.mail(words, locale=preferences.locale, unsubscribe_url=url)
        return Letter(
            delivery_id=letter.delivery_id,
            to=to,
            title=words.title,
            body=words.body,
            expires_at=letter.expires_at,
            text=mail.text,
            html=mail.html,
            unsubscribe_url=url,
        )


def _hush(channel: Channel, row: asyncpg.Record, now: datetime) -> Hushed | Pointless | None:
    """Why it does not leave now, by what the person has chosen."""
    preferences: Preferences = recipients.preferences_of(row)
    subject = Subject(row["subject"])
    if not preferences.wants(subject, channel.way):
        return Pointless(End.UNWANTED, "chosen_since")
    due_at = preferences.due_at(subject, now)
    return Hushed(due_at) if due_at > now else None


def _may_name(channel: Channel, row: asyncpg.Record) -> bool:
    """Of names only the payee's leaves the house, and only where the payer wants it told."""
    is_payees = row["subject"] == Subject.PAYMENT_SENT
    return is_payees and recipients.preferences_of(row).detail(channel) is Detail.PAYEE


def _binding_of_address(person_id: UUID) -> Binding:
    """The place of a person's sealed address, as the users' edge keeps it."""
    return Binding("people_contacts", "email", person_id, person_id)


_READ: Final = """
    SELECT one.delivery_id, one.notification_id, one.person_id, one.expires_at,
        told.subject, told.count, told.amount_minor, told.currency, told.code,
        device.device_id, device.token_sealed, device.registered_at,
        contact.address_sealed,
        wish.locale, wish.time_zone, wish.quiet_begin, wish.quiet_end, wish.push_detail,
        wish.email_detail, COALESCE(wish.choices, '{}') AS choices
    FROM notification_deliveries AS one
    JOIN notifications AS told USING (notification_id)
    LEFT JOIN notification_devices AS device
      ON device.device_id = one.device_id AND device.person_id = one.person_id
    LEFT JOIN people_contacts AS contact
      ON one.channel = 'email' AND contact.person_id = one.person_id
     AND contact.kind = 'email' AND contact.verified_at IS NOT NULL
    LEFT JOIN notification_recipients AS wish ON wish.person_id = one.person_id
    WHERE one.delivery_id = ANY($1::uuid[])
"""
