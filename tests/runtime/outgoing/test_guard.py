"""Nothing is sent to what may not be called: counted below our own code, over the whole corpus."""

import asyncio
from collections.abc import Sequence

import pytest

from runtime.clock import SystemClock
from runtime.outgoing import Outgoing, OutgoingFailure
from runtime.outgoing.failure import Cause
from tests.runtime.outgoing.counting import CountingLoop, departures
from tests.support.hostile_urls import REFUSED_ADDRESSES, REFUSED_URLS
from tests.support.sink import Say, open_sink

PUBLIC = "8.8.8.8"


class Names:
    """A name service of the attacker's: each question has the next answer, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.questions = 0

    async def resolve(self, host: str) -> Sequence[str]:
        self.questions += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def outgoing(*answers: Sequence[str], loopback: bool = False) -> Outgoing:
    return Outgoing(clock=SystemClock(), loopback=loopback, resolver=Names(*answers))


async def refused(client: Outgoing, url: str) -> None:
    with departures() as sent, pytest.raises(OutgoingFailure) as failure:
        await client.post(url, [], b"{}")
    assert failure.value.cause is Cause.ADDRESS_REFUSED
    assert sent == []


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_nothing_is_sent_to_a_refused_url(url: str) -> None:
    await refused(outgoing([PUBLIC]), url)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
async def test_nothing_is_sent_to_a_name_that_leads_to_a_refused_address(address: str) -> None:
    await refused(outgoing([address]), "https://hook.example.com/")
    await refused(outgoing([address], loopback=True), "https://hook.example.com/")


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
async def test_one_refused_address_among_public_ones_refuses_the_name(address: str) -> None:
    await refused(outgoing([PUBLIC, address]), "https://hook.example.com/")
    await refused(outgoing([address, PUBLIC]), "https://hook.example.com/")


def test_nothing_is_sent_by_the_loop_of_the_house_either() -> None:
    async def all_refused() -> None:
        for url in REFUSED_URLS:
            await refused(outgoing([PUBLIC]), url)
        for address in REFUSED_ADDRESSES:
            for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
                await refused(outgoing(answer), "https://hook.example.com/")

    async def one_sent() -> None:
        async with open_sink() as sink:
            client = outgoing(["127.0.0.1"], loopback=True)
            await client.post(sink.url(), [], b"{}")
            client.close()

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        runner.run(all_refused())
        assert loop.departures == []
        runner.run(one_sent())
        assert len(loop.departures) == 1


async def test_the_counter_counts() -> None:
    async with open_sink() as sink:
        with departures() as sent:
            client = outgoing(["127.0.0.1"], loopback=True)
            await client.post(sink.url(), [], b"{}")
        assert len(sent) == 1
        client.close()


async def test_a_name_is_asked_for_at_each_call_and_its_new_answer_counts() -> None:
    """What was public a moment ago is private now, and a connection is still open."""
    async with open_sink() as sink:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        client = Outgoing(clock=SystemClock(), loopback=True, resolver=names)
        url = f"http://localhost:{sink.port}/"
        assert (await client.post(url, [], b"{}")).status == 204
        await refused(client, url)
        assert names.questions == 2
        assert len(sink.received) == 1
        client.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_outside_the_demo_this_machine_is_refused_too(host: str) -> None:
    async with open_sink() as sink:
        for scheme in ("http", "https"):
            await refused(outgoing(["127.0.0.1"]), f"{scheme}://{host}:{sink.port}/")
        assert sink.connections == 0


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_sink() as proxy, open_sink() as sink:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        client = outgoing(["127.0.0.1"], loopback=True)
        assert (await client.post(sink.url(), [], b"{}")).status == 204
        assert (proxy.connections, sink.connections) == (0, 1)
        client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with open_sink() as inner:
        say = Say(status, headers=(("location", inner.url()),))
        async with open_sink(lambda _: say) as sink:
            client = outgoing(["127.0.0.1"], loopback=True)
            assert (await client.post(sink.url(), [], b"{}")).status == status
            assert inner.connections == 0
            client.close()


async def test_a_header_with_a_line_break_is_never_sent() -> None:
    async with open_sink() as sink:
        client = outgoing(["127.0.0.1"], loopback=True)
        with pytest.raises(ValueError, match="line break"):
            await client.post(sink.url(), [("x", "a\r\nHost: b")], b"{}")
        assert sink.connections == 0
