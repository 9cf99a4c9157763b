"""`titan sample-data`: bring the demo's people in, through the doors that everybody uses."""

import asyncio
import sys
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress, TaskID

from producers.chart_of_accounts.chart import read_chart
from runtime.clock import Clock, SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from titan.edge_client import EdgeClient
from titan.endpoints import connected_settings
from titan.sample_data import read_sample_data
from titan.sample_loader import Loaded, load_sample_data
from titan.terminal import JsonOption, say, say_json


def sample_data(*, as_json: JsonOption = False) -> None:
    """Load the people of sample_data.yaml; where they are in already, nothing changes."""
    settings = connected_settings(needed=("kafka_bootstrap",))
    loaded = asyncio.run(load_people(settings, clock=SystemClock(), shown=not as_json))
    if as_json:
        say_json(asdict(loaded))
    else:
        say(line_of(loaded))


async def load_people(settings: Settings, *, clock: Clock, shown: bool) -> Loaded:
    """Bring them in, with a progress bar where somebody watches; Unavailable if it takes long."""
    assert settings.kafka_bootstrap is not None
    publisher = KafkaPublisher(
        settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        settings=settings,
        role="sample-data",
    )
    bars = Progress(
        console=Console(stderr=True), transient=True, disable=not (shown and sys.stderr.isatty())
    )
    steps: dict[str, TaskID] = {}

    def on_progress(step: str, done: int, total: int) -> None:
        if step not in steps:
            steps[step] = bars.add_task(step, total=total)
        bars.update(steps[step], completed=done)

    try:
        async with EdgeClient(settings, clock=clock) as client:
            with bars:
                return await load_sample_data(
                    read_sample_data(),
                    read_chart(),
                    handles=client.handles,
                    payments=client.payments,
                    publisher=publisher,
                    clock=clock,
                    progress=on_progress,
                )
    finally:
        await publisher.stop()


def line_of(loaded: Loaded) -> str:
    """What a load came to."""
    new = f"{loaded.claimed} handles claimed now" if loaded.claimed else "all were in already"
    return f"Sample data: {loaded.people} people with handles and money ({new})"
