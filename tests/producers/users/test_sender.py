"""Codes reach people by a mail server where one is set, and nobody else."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from domain.errors import Invalid, Unavailable
from producers.users.edge import code_sender
from producers.users.sender import CodeSender, MailSender, NoSender
from runtime.mail import Mailer, SmtpServer
from runtime.settings import Profile, Settings
from schemas.person import ContactKind
from tests.support.mail_server import Post, mail_server, message_of
from tests.support.memory_stage import FixedClock
from titan.servers.ports import free_port

pytestmark = pytest.mark.real

ADA = "ada@example.com"


def sender(server: SmtpServer) -> CodeSender:
    clock = FixedClock()
    return MailSender(Mailer(server, clock=clock), clock=clock, phones=NoSender())


async def test_a_code_is_in_a_letter_to_its_address_and_in_no_other_part_of_it() -> None:
    post = Post()
    async with mail_server(post) as server:
        await sender(server).send(uuid4(), ContactKind.EMAIL, ADA, "123456")

    [envelope] = post.taken
    assert envelope.rcpt_tos == [ADA]
    message = message_of(envelope)
    assert message["To"] == ADA
    # A title is shown on a locked screen.
    assert "123456" not in str(message["Subject"])
    assert message.get_content().count("123456") == 2


@pytest.mark.parametrize(
    ("post", "error"),
    [
        (Post(to_recipient="550 no such user"), Invalid),
        (Post(to_recipient="450 mailbox busy"), Unavailable),
        (Post(to_data="554 no"), Unavailable),
    ],
)
async def test_what_the_server_refuses_is_said_without_the_address(
    post: Post, error: type[Exception]
) -> None:
    async with mail_server(post) as server:
        with pytest.raises(error) as caught:
            await sender(server).send(uuid4(), ContactKind.EMAIL, ADA, "123456")
    assert "ada" not in str(caught.value)


async def test_a_server_that_is_away_is_tried_again_by_whoever_asked() -> None:
    async with mail_server(Post()) as server:
        away = replace(server, port=free_port())
    with pytest.raises(Unavailable):
        await sender(away).send(uuid4(), ContactKind.EMAIL, ADA, "123456")


@pytest.mark.parametrize("address", ["ada@example.com\r\nBcc: eve@example.com", "ada", ""])
async def test_an_address_that_would_change_the_head_is_none(address: str) -> None:
    post = Post()
    async with mail_server(post) as server:
        with pytest.raises(Invalid):
            await sender(server).send(uuid4(), ContactKind.EMAIL, address, "123456")
    assert post.taken == []


async def test_a_phone_is_not_written_to_by_mail(tmp_path: Path) -> None:
    post = Post()
    async with mail_server(post) as server:
        settings = Settings(
            profile=Profile.PRODUCTION,
            data_directory=tmp_path,
            smtp_host=server.host,
            smtp_port=server.port,
            smtp_security=server.security,
            mail_from=server.sender,
        )
        chosen = code_sender(settings, clock=FixedClock())
        with pytest.raises(Unavailable):
            await chosen.send(uuid4(), ContactKind.PHONE, "+12025550123", "123456")
        await chosen.send(uuid4(), ContactKind.EMAIL, ADA, "123456")
    assert len(post.taken) == 1


def test_a_mail_server_without_a_sender_is_refused() -> None:
    with pytest.raises(Invalid, match="TITAN_MAIL_FROM"):
        code_sender(Settings(smtp_host="mail.example"), clock=FixedClock())
