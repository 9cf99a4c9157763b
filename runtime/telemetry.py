"""Logs: JSON lines on standard error, with no personal data and no payloads."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from runtime.settings import Settings

FASTSTREAM_LOG: Final = logging.getLogger("titan.faststream")
"""Where FastStream says what a stage's own code does not: that a reader failed, say. Its logger of
its own prints beside our lines, and not as JSON."""

_REDACTED: Final = "[redacted]"
_PERSONAL: Final = frozenset(
    {
        "access_token",
        "account_number",
        "address",
        "authorization",
        "body",
        "cookie",
        "date_of_birth",
        "description",
        "display_name",
        "dsn",
        "email",
        "headers",
        "key",
        "legal_name",
        "password",
        "payload",
        "phone",
        "refresh_token",
        "secret",
        "ssn",
        "token",
        "totp_code",
        "value",
    }
)
# What an exception of somebody else's may quote: an e-mail address, a telephone number, a social
# security number, a signed token.
_TELLING: Final = re.compile(
    r"[^\s\"'<>(){}\[\]=:,;@]+@[\w.-]+\.[A-Za-z]{2,}"
    r"|\+[1-9]\d{7,14}\b"
    r"|\b\d{3}-\d{2}-\d{4}\b"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
)


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank every field whose name may hold personal data or a secret, at any depth."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def scrub(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank what looks like a person's in any text of a line, exceptions included."""
    for name, value in event.items():
        event[name] = _scrubbed(value)
    return event


def _scrubbed(value: object) -> object:
    if isinstance(value, str):
        return _TELLING.sub(_REDACTED, value)
    if isinstance(value, dict):
        return {inner: _scrubbed(item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    return value


def _redacted(name: str, value: object) -> object:
    if name.lower() in _PERSONAL:
        return _REDACTED
    if isinstance(value, dict):
        return {inner: _redacted(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_redacted(name, item) for item in value]
    return value


def configure_logging(settings: Settings) -> None:
    """One JSON line per event, from our loggers and the libraries' alike.

    aiokafka prints keys and values at DEBUG and FastStream a line per message at INFO: both are
    held to WARNING whatever the level.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, scrub, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        # Lines are rare; a cached logger would keep a stream that somebody may have closed since.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                scrub,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for library in ("aiokafka", "faststream", "asyncio", "uvicorn.access", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # Its warnings are of what the house does on purpose: that topics are not made by the way.
    FASTSTREAM_LOG.setLevel(logging.ERROR)
