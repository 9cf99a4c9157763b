"""`titan auth`, on the servers that the tests use."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from runtime.settings import PREFIX, Settings
from titan.cli import app


def set_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The commands find the servers as an operator's would."""
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)


async def titan(*words: str, given: str | None = None) -> Result:
    """In a thread of its own: a command begins a loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["auth", *words], given))


async def told(*words: str, given: str | None = None) -> Any:
    """What a command says to a program; it went well."""
    result = await titan(*words, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
