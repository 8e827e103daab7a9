"""Every call is described, shown by an example that is true, and guarded; the document in docs/ is current."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from server.api.document import document
from server.auth.roles import Right
from tests.support.web import open_house

DOCS = Path(__file__).parents[2] / "docs" / "openapi.json"
SIGN_IN = ("POST", "/api/v1/session")


def routes(house) -> list[APIRoute]:
    found = [context for context in iter_route_contexts(house.app.routes) if hasattr(context, "dependant")]
    assert len(found) > 20
    return found


def operations(house) -> list[tuple[str, str, dict[str, Any]]]:
    paths = house.app.openapi()["paths"]
    return [(method.upper(), path, call) for path, item in paths.items() for method, call in item.items()]


def test_every_call_is_described(house):
    for method, path, call in operations(house):
        assert call["summary"], (method, path)
        assert call["description"], (method, path)
        good = next(answer for code, answer in call["responses"].items() if code.startswith("2"))
        if "content" in good:
            assert all("example" in media for media in good["content"].values()), (method, path)
        else:
            assert "204" in call["responses"], (method, path)


def test_every_example_is_true(house):
    spec = house.app.openapi()
    checked = 0
    for _method, _path, call in operations(house):
        bodies = [
            media for answer in call["responses"].values() for media in answer.get("content", {}).values()
        ]
        for media in bodies:
            if media.get("schema", {}).get("$ref"):
                jsonschema.validate(media["example"], {**media["schema"], "components": spec["components"]})
                checked += 1
        body = call.get("requestBody")
        if body is not None:
            schema = {**body["content"]["application/json"]["schema"], "components": spec["components"]}
            name = schema["$ref"].rsplit("/", 1)[1]
            for example in spec["components"]["schemas"][name]["examples"]:
                jsonschema.validate(example, schema)
                checked += 1
    assert checked > 50


def test_the_document_in_docs_is_current():
    assert DOCS.read_text("utf-8") == document(), "run: python -m server.api.document > docs/openapi.json"


async def test_nothing_but_health_and_pages_is_reachable_without_a_name(house):
    """Asked of each call as it is mounted, not of what its code says."""
    asked = 0
    async with house.client(headers={"x-csrf": "1"}) as client:
        for method, path, _ in operations(house):
            if (method, path) == SIGN_IN or path == "/health":
                continue
            url = path.replace("{alarm_id}", "1").replace("{token_id}", "1").replace("{", "").replace("}", "")
            answer = await client.request(method, url, json={} if method == "POST" else None)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.json()["error"]["code"] == "not_signed_in"
            asked += 1
    assert asked > 20


def test_every_call_names_exactly_one_right(house):
    open_calls = []
    for route in routes(house):
        rights = [right for dependency in route.dependant.dependencies if (right := _right(dependency.call))]
        if not rights:
            open_calls.append(route.path)
        else:
            assert len(rights) == 1, route.path
    assert sorted(open_calls) == ["/api/v1/session", "/health"]


def _right(call: Any) -> Right | None:
    return getattr(call, "right", None)


async def test_the_document_is_served_to_those_who_may_come_in(house):
    from server.auth.roles import Role

    async with house.machine(Role.VIEWER) as client:
        assert (await client.get("/api/v1/openapi.json")).json()["info"]["title"] == "Gatehouse"
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path)).status_code == 404


async def test_health_is_open_and_honest(tmp_path):
    house = open_house(tmp_path, born_now=False)
    async with house.client() as client:
        assert (await client.get("/health")).json()["status"] == "ok"
        house.broker_gone = True
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["status"], answer.json()["broker"]) == (
            200,
            "degraded",
            "down",
        )
        house.broker_gone, house.broker_refuses = False, True
        answer = await client.get("/health")
        assert (answer.json()["status"], answer.json()["broker"]) == ("degraded", "refused")
        house.engine.dispose()
        for file in tmp_path.glob("gatehouse.db*"):
            file.unlink()
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["database"]) == (503, "down")
    house.engine.dispose()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/alarms", 405),
        ("GET", "/assets/../pyproject.toml", 404),
        ("GET", "/assets/%2e%2e/%2e%2e/pyproject.toml", 404),
        ("GET", "/assets/none.js", 404),
    ],
)
async def test_errors_have_one_form(house, method, path, status):
    async with house.client(headers={"x-csrf": "1"}) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "where"}
