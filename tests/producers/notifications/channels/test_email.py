"""E-mails, against a mail server that speaks SMTP and refuses as mail servers do."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from producers.notifications.channels.email import EmailCarrier
from producers.notifications.channels.port import Fate, Gone, Later, Letter, Refused, Sent
from producers.notifications.templates import Mail
from runtime.carrier_settings import SmtpSecurity
from tests.support.certificates import LocalTls
from tests.support.mail_server import Post, mail_server, message_of
from tests.support.memory_stage import NOW, FixedClock

MAIL = Mail("Du hast 10,00 € erhalten.", "<p>Du hast 10,00&nbsp;€ erhalten.</p>")
URL = "https://titan.example/unsubscribe/abc"
LETTER = Letter(
    delivery_id=uuid4(),
    to="ada@example.com",
    title="Zahlung für dich: größer",
    body=MAIL.text,
    expires_at=NOW + timedelta(hours=72),
    text=MAIL.text,
    html=MAIL.html,
    unsubscribe_url=URL,
)


async def test_an_e_mail_has_both_forms_and_a_way_out(tmp_path: Path) -> None:
    post = Post()
    async with mail_server(post) as server:
        assert await EmailCarrier(server, clock=FixedClock()).send(LETTER) == Sent()

    assert post.taken[0].mail_from == "titan@titan.example"
    assert post.taken[0].rcpt_tos == ["ada@example.com"]
    message = message_of(post.taken[0])
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == LETTER.title
    assert message["Message-ID"] == f"<{LETTER.delivery_id}@titan.example>"
    assert message["List-Unsubscribe"] == f"<{URL}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().strip() == MAIL.text
    assert html.get_content().strip() == MAIL.html


async def test_who_signs_in_does_so_after_starttls_only(tmp_path: Path) -> None:
    tls, post = LocalTls(tmp_path), Post()

    def sign_in(_: Any, __: Any, ___: Any, ____: str, data: LoginPassword) -> AuthResult:
        is_known = (data.login, data.password) == (b"titan", b"s3cret")
        return AuthResult(success=is_known, handled=False)

    async with mail_server(
        post,
        tls_context=tls.server,
        require_starttls=True,
        authenticator=sign_in,
        auth_required=True,
    ) as plain:
        signed_in = replace(
            plain, security=SmtpSecurity.STARTTLS, username="titan", password="s3cret"
        )
        carrier = EmailCarrier(signed_in, clock=FixedClock(), tls=tls.client)
        assert await carrier.send(LETTER) == Sent()
        wrong = replace(signed_in, password="other")
        carrier = EmailCarrier(wrong, clock=FixedClock(), tls=tls.client)
        assert await carrier.send(LETTER) == Later("smtp_535", is_everybodys=True)
    assert len(post.taken) == 1


async def test_a_server_may_speak_tls_from_the_first_byte(tmp_path: Path) -> None:
    tls, post = LocalTls(tmp_path), Post()
    async with mail_server(post, tls=tls.server) as plain:
        server = replace(plain, security=SmtpSecurity.TLS)
        carrier = EmailCarrier(server, clock=FixedClock(), tls=tls.client)
        assert await carrier.send(LETTER) == Sent()
    assert len(post.taken) == 1


async def test_a_server_without_encryption_gets_nothing_where_it_is_wanted() -> None:
    post = Post()
    async with mail_server(post) as plain:
        carrier = EmailCarrier(replace(plain, security=SmtpSecurity.STARTTLS), clock=FixedClock())
        fate = await carrier.send(LETTER)
    assert isinstance(fate, Later)
    assert fate.is_everybodys
    assert post.taken == []


@pytest.mark.parametrize(
    ("post", "fate"),
    [
        (Post(to_recipient="550 5.1.1 no such user"), Gone("smtp_550")),
        (Post(to_recipient="553 5.1.3 no address"), Gone("smtp_553")),
        (Post(to_recipient="554 5.7.1 no"), Refused("smtp_554")),
        (Post(to_recipient="450 4.2.0 greylisted"), Later("smtp_450")),
        (Post(to_recipient="452 4.2.2 mailbox full"), Later("smtp_452")),
        (Post(to_data="554 5.6.0 looks like spam"), Refused("smtp_554")),
        (Post(to_data="451 4.3.0 try again"), Later("smtp_451")),
        (Post(to_data="421 4.3.2 closing"), Later("smtp_421")),
    ],
    ids=lambda value: (value.to_recipient or value.to_data) if isinstance(value, Post) else "",
)
async def test_each_answer_has_its_fate(post: Post, fate: Fate) -> None:
    async with mail_server(post) as server:
        assert await EmailCarrier(server, clock=FixedClock()).send(LETTER) == fate


async def test_a_server_that_is_away_is_everybodys_matter() -> None:
    async with mail_server(Post()) as server:
        pass
    fate = await EmailCarrier(server, clock=FixedClock()).send(LETTER)
    assert isinstance(fate, Later)
    assert fate.is_everybodys


@pytest.mark.parametrize("address", ["ada@example.com\r\nBcc: eve@example.com", "no address", ""])
async def test_an_address_that_would_change_the_head_is_none(address: str) -> None:
    post = Post()
    async with mail_server(post) as server:
        fate = await EmailCarrier(server, clock=FixedClock()).send(replace(LETTER, to=address))
    assert fate == Gone("invalid_address")
    assert post.taken == []


async def test_the_same_letter_again_has_the_same_message_id() -> None:
    post = Post()
    async with mail_server(post) as server:
        carrier = EmailCarrier(server, clock=FixedClock())
        await asyncio.gather(carrier.send(LETTER), carrier.send(LETTER))
    ids = {message_of(envelope)["Message-ID"] for envelope in post.taken}
    assert len(post.taken) == 2
    assert ids == {f"<{LETTER.delivery_id}@titan.example>"}
