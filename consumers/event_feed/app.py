"""Wiring of the feed's stage."""

from functools import partial

from faststream import FastStream

from consumers.event_feed.handler import on_events
from consumers.event_feed.store import PostgresFeed
from runtime import limits
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(resources: Resources) -> Stage:
    """The stage without an inbox: what it keeps of each payment says which events it has had."""
    return Stage("event_feed", partial(on_events, feed=PostgresFeed(resources.clock)), inbox=False)


def make_app() -> FastStream:
    """The application, for `faststream run consumers.event_feed.app:make_app --factory`."""
    return stage_app("event_feed", build, gather_ms=limits.TELL_GATHER_MS)
