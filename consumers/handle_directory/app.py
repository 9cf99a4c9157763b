"""Wiring of the handle directory stage."""

from functools import partial

from faststream import FastStream

from consumers.handle_directory.handler import on_handles_requested
from consumers.handle_directory.store import PostgresDirectory
from runtime.app import Resources, stage_app
from runtime.stage import Stage


def build(_resources: Resources) -> Stage:
    """The stage on the directory's tables."""
    return Stage("handle_directory", partial(on_handles_requested, directory=PostgresDirectory()))


def make_app() -> FastStream:
    """The application, for `faststream run consumers.handle_directory.app:make_app --factory`."""
    return stage_app("handle_directory", build)
