import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from domain.errors import Invalid
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.cli import app
from titan.documents import FLOW_BEGIN, FLOW_END, ROOT, Document, all_documents, with_flow
from titan.reference_pages import (
    LIMIT_MODULES,
    documented_limits,
    limits_page,
    settings_page,
)

ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))


@pytest.mark.parametrize("document", all_documents(), ids=lambda document: document.name)
def test_what_is_committed_is_what_would_be_generated(document: Document) -> None:
    assert document.is_current, f"{document.name}: run `titan docs` and commit"


def test_the_command_checks_them_too() -> None:
    for command in (["docs"], ["topics", "docs"]):
        result = CliRunner().invoke(app, [*command, "--check"])
        assert result.exit_code == 0, result.output


def test_a_page_that_was_edited_by_hand_is_not_current(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert not Document(page, "generated").is_current
    page.write_text("edited", "utf-8")
    assert not Document(page, "generated").is_current
    page.write_text("generated", "utf-8")
    assert Document(page, "generated").is_current


def test_the_flow_replaces_only_what_stands_between_its_marks() -> None:
    page = f"before\n{FLOW_BEGIN}\nold\n{FLOW_END}\nafter\n"
    drawn = with_flow(page, "new")
    assert drawn == f"before\n{FLOW_BEGIN}\n```text\nnew\n```\n{FLOW_END}\nafter\n"
    assert with_flow(drawn, "new") == drawn


@pytest.mark.parametrize("page", ["", FLOW_BEGIN, f"{FLOW_END}\n{FLOW_BEGIN}"])
def test_a_page_without_the_marks_is_told(page: str) -> None:
    with pytest.raises(Invalid, match="needs the lines"):
        with_flow(page, "new")


def test_every_setting_is_in_the_table_and_no_path_of_a_machine() -> None:
    page = settings_page()
    for name in Settings.model_fields:
        assert f"`TITAN_{name.upper()}`" in page
    assert str(ROOT) not in page


def test_every_limit_is_in_the_table_with_its_meaning() -> None:
    documented = [
        limit for module in LIMIT_MODULES for limit in documented_limits(inspect.getsource(module))
    ]
    page = limits_page()
    for _, name, meaning in documented:
        assert f"`{name}`" in page
        assert meaning, f"{name} has no docstring"
    assert page.count("\n| `") == len(documented)


def test_asyncapi_has_a_channel_a_message_and_the_operations_of_every_topic() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    topics = topic_map().topics
    assert list(ASYNCAPI["channels"]) == [topic.name for topic in topics]
    actions = [operation["action"] for operation in ASYNCAPI["operations"].values()]
    assert actions.count("send") == sum(len(topic.producers) for topic in topics)
    assert actions.count("receive") == sum(len(topic.consumers) for topic in topics)


def test_every_reference_in_asyncapi_leads_somewhere() -> None:
    for reference in references(ASYNCAPI):
        file, _, pointer = reference.partition("#")
        if file:
            assert (ROOT / "docs" / file).resolve().exists(), reference
            continue
        place: Any = ASYNCAPI
        for step in pointer.strip("/").split("/"):
            place = place[step]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []
