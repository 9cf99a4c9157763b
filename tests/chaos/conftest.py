"""What the long tests tell while they run."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line to whoever runs the tests."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    writer = pytestconfig.get_terminal_writer()

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            writer.line(text)

    return line
