"""Every case of bad_input.yaml: exactly that status and code, and no payment it does not name."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.producers.payments.router import BODY, Router, router_in_memory
from tests.support.asgi import Answer, call

CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("bad_input.yaml").read_text(encoding="utf-8")
)
PROBLEM_FIELDS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "errors",
    "request_id",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def router() -> AsyncIterator[Router]:
    async with router_in_memory() as router:
        yield router


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_it_is_answered_as_the_corpus_says(router: Router, case: dict[str, Any]) -> None:
    router.log.published.clear()

    answer = await _send(router, case)

    assert (answer.status, answer.code) == (case["status"], case.get("code")), answer.body
    assert len(router.log.published) == (1 if case["status"] == 202 else 0)
    if "code" in case:
        _is_a_problem(answer)
        pointers = {fault["pointer"] for fault in answer.document["errors"]}
        assert {case["pointer"]} <= pointers if "pointer" in case else True
    for canary in _words_of(case):
        assert canary not in answer.body.decode()


def test_the_corpus_names_each_case_once() -> None:
    names = [case["name"] for case in CASES]

    assert len(names) == len(set(names)) >= 120


async def _send(router: Router, case: dict[str, Any]) -> Answer:
    headers = [(name, _expanded(value)) for name, value in case.get("headers", [])]
    if not any(name == "content-type" for name, _ in headers) and not case.get("no_type"):
        headers.append(("content-type", "application/json"))
    path = case.get("path", "/payments")
    if "query" in case:
        path = f"{path}?{_expanded(case['query'])}"
    return await call(
        router.app, case.get("method", "POST"), path, headers=headers, chunks=_chunks(case)
    )


def _chunks(case: dict[str, Any]) -> list[bytes]:
    if "chunks" in case:
        text, times = case["chunks"]
        return [text.encode()] * times
    if "repeat" in case:
        text, times = case["repeat"]
        return [(text * times).encode()]
    if "hex" in case:
        return [bytes.fromhex(case["hex"])]
    if "raw" in case:
        return [_expanded(case["raw"]).encode()]
    body = {name: value for name, value in BODY.items() if name not in case.get("drop", [])}
    body |= {
        name: _expanded(value) if isinstance(value, str) else value
        for name, value in case.get("change", {}).items()
    }
    return [json.dumps(body).encode()]


def _expanded(text: str) -> str:
    """`@ax3@` is aaa."""
    return re.sub(r"@(.)x(\d+)@", lambda found: found[1] * int(found[2]), text)


def _words_of(case: dict[str, Any]) -> list[str]:
    """What was sent and is wrong must not come back: it may be about a person."""
    if case["status"] == 202:
        return []
    sent = [value for value in case.get("change", {}).values() if isinstance(value, str)]
    sent += case.get("change", {}).keys() - BODY.keys()
    return [
        text
        for text in map(_expanded, sent)
        if len(text) > 3 and text not in {"alice", "WALLET", "wallet", "posted"}
    ]


def _is_a_problem(answer: Answer) -> None:
    document = answer.document
    assert document.keys() == PROBLEM_FIELDS
    assert document["status"] == answer.status
    assert document["type"] == f"urn:titan:problem:{document['code']}"
    assert document["request_id"] == answer.headers["request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in answer.body.decode()
