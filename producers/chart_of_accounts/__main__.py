"""Drop a chart of accounts: `python -m producers.chart_of_accounts [FILE]`.

-> account.opening-requested
"""

import asyncio
import sys
from pathlib import Path

import structlog

from domain.errors import TitanError
from producers.chart_of_accounts.chart import CHART_FILE, messages_of, read_chart
from runtime import limits
from runtime.clock import SystemClock
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.telemetry import configure_logging

log = structlog.get_logger()


async def drop(path: Path, settings: Settings) -> None:
    """Publish the requests of a chart; Invalid if the file is unsound, Unavailable if Kafka is."""
    chart = read_chart(path)
    if settings.kafka_bootstrap is None:
        raise TitanError("set TITAN_KAFKA_BOOTSTRAP")
    publisher = KafkaPublisher(
        settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        settings=settings,
        role="chart-of-accounts",
    )
    await publisher.start()
    try:
        messages = messages_of(chart, now=SystemClock().now())
        await publisher.publish(messages, deadline_s=limits.EDGE_PUBLISH_S_MAX)
    finally:
        await publisher.stop()
    log.info("chart_of_accounts_dropped", file=path.name, accounts=len(chart.accounts))


def main() -> None:
    """Drop the file named on the command line, else the project's own."""
    settings = Settings()
    configure_logging(settings)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CHART_FILE
    try:
        asyncio.run(drop(path, settings))
    except TitanError as error:
        raise SystemExit(f"titan: {error}") from error


if __name__ == "__main__":
    main()
