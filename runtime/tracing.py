"""Traces, where a collector is named: one span a batch, linked to the trace of each event in it.

Follows the OpenTelemetry conventions for batch consumers (links, not a parent) and W3C Trace
Context in the `traceparent` header. Without TITAN_OTLP_ENDPOINT nothing is recorded or sent.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runtime.settings import Settings
from schemas.event import Delivered

_PROPAGATOR = TraceContextTextMapPropagator()


def start_tracing(settings: Settings, service: str) -> Callable[[], None]:
    """Send spans to the collector of the settings, if one is named; the result stops it.

    A collector that is down loses spans and nothing else.
    """
    if settings.otlp_endpoint is None or isinstance(trace.get_tracer_provider(), TracerProvider):
        return _nothing
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def batch_span(stage: str, delivered: Sequence[Delivered[Any]]) -> Iterator[None]:
    """A span around the work on a batch; costs next to nothing while nobody listens."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        yield
        return
    tracer = trace.get_tracer("titan")
    with tracer.start_as_current_span(
        f"{stage} process",
        kind=trace.SpanKind.CONSUMER,
        links=list(_links(delivered)),
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": len(delivered),
        },
    ):
        yield


def _links(delivered: Sequence[Delivered[Any]]) -> Iterator[trace.Link]:
    for item in delivered:
        if item.envelope.traceparent is None:
            continue
        carrier = {"traceparent": item.envelope.traceparent}
        context = trace.get_current_span(_PROPAGATOR.extract(carrier)).get_span_context()
        if context.is_valid:
            yield trace.Link(context)


def _nothing() -> None:
    """Stop nothing."""
