"""However an endpoint answers, the call ends in time, with its status or with why there is none."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.clock import SystemClock
from runtime.outgoing import Outgoing, OutgoingFailure, limits
from runtime.outgoing.failure import Cause
from runtime.outgoing.limits import ANSWER_BYTES_MAX, REPLY_BYTES_MAX, REPLY_HEAD_BYTES_MAX
from tests.support.sink import Say, open_sink


@asynccontextmanager
async def calling() -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(clock=SystemClock(), loopback=True)
    yield outgoing
    outgoing.close()
    # The loop ends connections in its next turn.
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            200,
            b"abc",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n",
            202,
            b"",
        ),
        (b"HTTP/1.1 500 \r\nContent-Length: 3\r\n\r\nbad", 500, b"bad"),
    ],
)
async def test_every_way_to_frame_an_answer_is_understood(
    raw: bytes, status: int, body: bytes
) -> None:
    async with open_sink(lambda _: Say(raw=raw)) as sink, calling() as outgoing:
        reply = await outgoing.post(sink.url(), [], b"{}")
        assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", Cause.UNREACHABLE),
        (b"SSH-2.0-OpenSSH_9.9\r\n", Cause.NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", Cause.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * REPLY_HEAD_BYTES_MAX + b"\r\n", Cause.NOT_HTTP),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na",
            Cause.NOT_HTTP,
        ),
    ],
)
async def test_what_is_no_answer_is_said(raw: bytes, cause: Cause) -> None:
    async with open_sink(lambda _: Say(raw=raw)) as sink, calling() as outgoing:
        with pytest.raises(OutgoingFailure) as failure:
            await outgoing.post(sink.url(), [], b"{}")
        assert failure.value.cause is cause


async def test_a_reply_is_cut_and_its_status_counts() -> None:
    say = Say(200, body=b"x" * (REPLY_BYTES_MAX * 4))
    async with open_sink(lambda _: say) as sink, calling() as outgoing:
        reply = await outgoing.post(sink.url(), [], b"{}")
        assert (reply.status, len(reply.body)) == (200, REPLY_BYTES_MAX)


def chunked(after: bytes) -> bytes:
    """An answer in chunks, of which the last byte is still to come."""
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n" + after


async def test_what_follows_the_body_is_not_kept() -> None:
    trailers = b"".join(b"x-%d: y\r\nretry-after: 9\r\n" % number for number in range(100))
    async with (
        open_sink(lambda _: Say(raw=chunked(b"0\r\n" + trailers + b"\r\n"))) as sink,
        calling() as outgoing,
    ):
        reply = await outgoing.post(sink.url(), [], b"{}")
    assert (reply.status, reply.body) == (200, b"ok")
    assert list(reply.headers) == ["transfer-encoding"]


@pytest.mark.parametrize(
    "endless",
    [
        b"0\r\n" + b"x: " + b"y" * ANSWER_BYTES_MAX,
        b"0\r\n" + b"x: y\r\n" * (ANSWER_BYTES_MAX // 6),
        b"1;" + b"y" * ANSWER_BYTES_MAX,
        b"1;yyyyyyyyyyy\r\nx\r\n" * (ANSWER_BYTES_MAX // 18),
    ],
    ids=["one trailer", "trailers", "an extension", "extensions"],
)
async def test_an_answer_that_has_no_end_is_no_answer(endless: bytes) -> None:
    """The end of its body is never said; nor does the endpoint ever stop."""
    say = Say(raw=chunked(endless), hangs_after=True)
    async with open_sink(lambda _: say) as sink, calling() as outgoing:
        with pytest.raises(OutgoingFailure) as failure:
            await outgoing.post(sink.url(), [], b"{}")
    assert failure.value.cause is Cause.NOT_HTTP


async def test_an_answer_in_the_smallest_chunks_is_read_whole() -> None:
    chunks = b"1\r\nx\r\n" * (REPLY_BYTES_MAX - 2)
    async with (
        open_sink(lambda _: Say(raw=chunked(chunks + b"0\r\n\r\n"))) as sink,
        calling() as outgoing,
    ):
        assert len((await outgoing.post(sink.url(), [], b"{}")).body) == REPLY_BYTES_MAX


async def test_one_that_is_silent_has_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READ_S_MAX", 0.05)
    async with open_sink(lambda _: Say(hangs=True)) as sink, calling() as outgoing:
        with pytest.raises(OutgoingFailure) as failure:
            await outgoing.post(sink.url(), [], b"{}")
        assert failure.value.cause is Cause.TIMED_OUT


async def test_one_that_drips_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOTAL_S_MAX", 0.3)

    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()
        ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, calling() as outgoing:
        with pytest.raises(OutgoingFailure) as failure:
            await outgoing.post(f"http://127.0.0.1:{port}/", [], b"{}")
        assert failure.value.cause is Cause.TIMED_OUT
        await ended.wait()
        await asyncio.sleep(0)


async def test_nobody_there_is_unreachable() -> None:
    async with open_sink() as sink:
        port = sink.port
    async with calling() as outgoing:
        with pytest.raises(OutgoingFailure) as failure:
            await outgoing.post(f"http://127.0.0.1:{port}/", [], b"{}")
        assert failure.value.cause is Cause.UNREACHABLE


async def test_a_connection_is_used_again_and_one_that_was_closed_is_not_missed() -> None:
    async with open_sink() as sink, calling() as outgoing:
        for _ in range(5):
            await outgoing.post(sink.url(), [], b"{}")
        assert sink.connections == 1
        sink.answer = lambda _: Say(headers=(("connection", "close"),))
        for _ in range(2):
            await outgoing.post(sink.url(), [], b"{}")
        assert sink.connections == 2


class Pinned:
    """Every name is this machine."""

    async def resolve(self, host: str) -> Sequence[str]:
        return ["127.0.0.1"]


@pytest.mark.parametrize(("certified", "cause"), [("localhost", None), ("other.example", "tls")])
async def test_the_certificate_has_to_be_of_the_urls_name_and_the_name_is_told(
    certified: str, cause: str | None, tmp_path: Path
) -> None:
    await called_over_tls(certified, cause, tmp_path)


async def called_over_tls(certified: str, cause: str | None, directory: Path) -> None:
    told: list[str | None] = []
    serving, trusting = contexts_for(certified, directory)
    serving.sni_callback = lambda _socket, name, _context: told.append(name)
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    outgoing = Outgoing(clock=SystemClock(), loopback=True, resolver=Pinned(), tls=trusting)
    async with server:
        url = f"https://localhost:{port}/hook"
        if cause is None:
            assert (await outgoing.post(url, [], b"{}")).status == 204
            assert f"host: localhost:{port}".encode() in heads[0]
        else:
            with pytest.raises(OutgoingFailure) as failure:
                await outgoing.post(url, [], b"{}")
            assert failure.value.cause is Cause.TLS_FAILED
            assert heads == []
        outgoing.close()
        await asyncio.sleep(0.05)
    assert told == ["localhost"]


@pytest.mark.parametrize(("certified", "cause"), [("localhost", None), ("other.example", "tls")])
def test_so_it_is_on_the_loop_that_the_pool_runs_on(
    certified: str, cause: str | None, tmp_path: Path
) -> None:
    """uvloop's transports are none of asyncio's classes, and end in another turn of the loop."""
    uvloop.run(called_over_tls(certified, cause, tmp_path))


def test_answers_are_read_on_the_loop_that_the_pool_runs_on() -> None:
    async def asked() -> None:
        async with open_sink(lambda _: Say(200, body=b"ok")) as sink, calling() as outgoing:
            for _ in range(3):
                assert (await outgoing.post(sink.url(), [], b"{}")).body == b"ok"
            assert sink.connections == 1
            sink.answer = lambda _: Say(raw=b"SSH-2.0-OpenSSH_9.9\r\n")
            with pytest.raises(OutgoingFailure):
                await outgoing.post(sink.url(), [], b"{}")

    uvloop.run(asked())


def contexts_for(name: str, directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of this name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context()
    trusting.load_verify_locations(pem)
    return serving, trusting
