"""Golden examples: records as they were once written, which have to be understood for ever.

A file is never edited or removed; an event that gains a field gets further files (v2-...).
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from runtime.topics import Topic, topic_map
from schemas.event import Position
from schemas.wire import decode, encode
from titan.schema_files import schema_path

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
FILES = sorted(EXAMPLES.glob("*/*.json"))
TOPICS = topic_map().topics


def example_of(path: Path) -> tuple[Topic, dict[str, Any]]:
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return topic_map()[path.parent.name], record


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_topic_has_its_smallest_and_its_whole_record(topic: Topic) -> None:
    names = {path.name for path in (EXAMPLES / topic.name).iterdir()}
    assert names >= {"v1-minimal.json", "v1-full.json"}


def test_no_example_lies_outside_the_map() -> None:
    assert {path.parent.name for path in FILES} == {topic.name for topic in TOPICS}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_was_ever_written_is_understood_and_means_the_same(path: Path) -> None:
    topic, record = example_of(path)
    delivered = decode(
        topic.model,
        Position(topic.name, 0, 0),
        key=record["key"].encode(),
        value=json.dumps(record["value"]).encode(),
        headers=[(name, value.encode()) for name, value in record["headers"].items()],
    )
    again = encode(delivered.event, delivered.envelope)
    # The codec may add fields and headers since; it keeps every one that was written.
    assert json.loads(again.value).items() >= record["value"].items()
    assert {name: value.decode() for name, value in again.headers} == record["headers"]
    assert again.key.decode() == record["key"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_committed_schema_accepts_the_example(path: Path) -> None:
    topic, record = example_of(path)
    schema = json.loads(schema_path(topic.name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    jsonschema.validate(record["value"], schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_examples_together_have_every_field(topic: Topic) -> None:
    paths = (EXAMPLES / topic.name).iterdir()
    named = {name for path in paths for name in example_of(path)[1]["value"]}
    assert named == set(topic.model.model_fields)
