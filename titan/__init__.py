"""Titan's top floor: the command line, the embedded servers and the supervisor of stages."""

from typing import Final

VERSION: Final = "0.1.0"
"""Of the whole project, as pyproject.toml has it."""
