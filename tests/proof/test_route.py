"""What a proof knows by name is what the house does: written down twice, and compared here."""

import ast
from pathlib import Path

from proof.route import NOTIFICATIONS, PROJECTION, PUBLIC, WEBHOOKS, Route
from runtime.topics import group_of, topic_map
from schemas.public import PUBLIC_TYPES

CONSUMERS = Path(__file__).parents[2] / "consumers"


def keeps_an_inbox(app: Path) -> bool:
    """Whether the room's stage is not wired without one."""
    calls = [node for node in ast.walk(ast.parse(app.read_text())) if isinstance(node, ast.Call)]
    [stage] = [
        each for each in calls if isinstance(each.func, ast.Name) and each.func.id == "Stage"
    ]
    return not any(
        keyword.arg == "inbox" and ast.unparse(keyword.value) == "False"
        for keyword in stage.keywords
    )


def test_the_steps_of_a_proof_are_the_stages_that_keep_an_inbox() -> None:
    deciding = {app.parent.name for app in CONSUMERS.glob("*/app.py") if keeps_an_inbox(app)}

    assert set(Route.of(topic_map()).steps) == deciding


def test_a_proof_knows_what_customers_are_told() -> None:
    assert PUBLIC == PUBLIC_TYPES


def test_a_proof_knows_who_looks_on() -> None:
    groups = Route.of(topic_map()).groups

    assert {PROJECTION, WEBHOOKS, group_of(NOTIFICATIONS)} <= groups.keys()
