"""Every command of the house behaves alike."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from titan import VERSION
from titan.cli import app


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ROOT = Path(__file__).parents[2]
COMMANDS = dict(commands(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_can_print_json(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert "--json" in options


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    assert COMMANDS[path].help
    for parameter in COMMANDS[path].params:
        assert parameter.help, parameter.name


def test_the_issues_commands_are_there() -> None:
    assert {" ".join(path) for path in COMMANDS} >= {
        *("up", "pay", "watch", "doctor"),
        *("topics validate", "topics plan", "topics apply", "topics docs"),
        *("dlq list", "dlq show", "dlq redrive", "schemas export", "schemas check"),
        *("prove", "replay", "at", "archive", "shadow", "chaos"),
    }


@pytest.mark.parametrize("arguments", [["coffee"], ["topics", "brew"], ["dlq", "list", "--sugar"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
