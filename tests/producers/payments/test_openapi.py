"""The OpenAPI document tells of the routes that FastAPI cannot see into."""

import json

import pytest

from tests.producers.payments.router import Router


async def test_the_hot_route_is_described_like_the_others(router: Router) -> None:
    document = json.loads((await router.get("/openapi.json")).body)

    post = document["paths"]["/payments"]["post"]
    reference = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert "amount" in document["components"]["schemas"][reference.rsplit("/", 1)[1]]["properties"]
    assert post["responses"]["202"]["content"]["application/json"]["schema"]
    assert "application/problem+json" in post["responses"]["default"]["content"]


@pytest.mark.parametrize("path", ["/payments/bulk", "/payments"])
async def test_every_reference_of_the_description_leads_somewhere(
    router: Router, path: str
) -> None:
    text = (await router.get("/openapi.json")).body.decode()
    document = json.loads(text)

    references = {part.split('"', 1)[0] for part in text.split('"$ref":"#/components/schemas/')[1:]}
    assert path in document["paths"]
    assert references <= document["components"]["schemas"].keys()
    assert references
