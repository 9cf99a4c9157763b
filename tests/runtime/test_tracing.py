"""A trace reaches a collector: a real HTTP server that keeps what it is sent."""

import asyncio
import subprocess
import sys
import textwrap

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runtime.settings import Settings
from runtime.tracing import batch_span, start_tracing

PROGRAM = textwrap.dedent(
    """
    import sys
    from runtime.settings import Settings
    from runtime.tracing import batch_span, start_tracing
    from schemas.event import Delivered, Position
    from schemas.wire import first_envelope
    from tests.support.events import screened
    from tests.support.memory_stage import NOW, ROOT

    stop = start_tracing(Settings(otlp_endpoint=sys.argv[1]), "titan-tests")
    envelope = first_envelope(
        event_id=ROOT, idempotency_id=ROOT, source="tests", now=NOW,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    unsound = first_envelope(
        event_id=ROOT, idempotency_id=ROOT, source="tests", now=NOW, traceparent="nonsense"
    )
    place = Position("payment.screened.v1", 0, 0)
    with batch_span("ledger_posting", [
        Delivered(screened(), envelope, place), Delivered(screened(), unsound, place),
    ]):
        pass
    stop()
    """
)


async def test_a_batch_is_one_span_linked_to_its_events_traces() -> None:
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        ]
        body = await reader.readexactly(length)
        bodies.put_nowait(body)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # A process of its own: a tracer provider can be set only once.
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, f"http://127.0.0.1:{port}", stderr=subprocess.PIPE
    )
    _, errors = await program.communicate()
    assert program.returncode == 0, errors.decode()
    body = await bodies.get()
    server.close()
    await server.wait_closed()

    request = ExportTraceServiceRequest.FromString(body)
    [span] = request.resource_spans[0].scope_spans[0].spans
    assert span.name == "ledger_posting process"
    assert [link.trace_id.hex() for link in span.links] == ["0af7651916cd43dd8448eb211c80319c"]


def test_without_a_collector_nothing_is_recorded() -> None:
    start_tracing(Settings(), "titan-tests")()
    with batch_span("ledger_posting", []):
        pass
