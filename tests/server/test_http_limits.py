"""What a hostile or careless peer may do to the HTTP side: little."""

import asyncio

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from server.api.middleware import CSP, MOST_BODY, BodyCap
from server.api.pages import PAGES
from server.auth.roles import Role
from tests.support.web import CSRF

ACK = "/api/v1/alarms/1/ack"


@pytest.fixture
def built(house):
    assets = house.folder / "static" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text("<!doctype html><title>Gatehouse</title>")
    (assets.parent / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (assets / "index-1a2b3c.js").write_text("console.log('x');" * 200)
    (house.folder / "static" / "secret.txt").write_text("not served")
    return house


async def test_pages_are_served_to_everybody_with_strict_headers(built):
    async with built.client() as client:
        for path in (*PAGES, "/devices/garden/m-1"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["content-security-policy"] == CSP
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-cache"
        script = await client.get("/assets/index-1a2b3c.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-encoding"] == "gzip"
        assert (await client.get("/favicon.svg")).headers["content-type"].startswith("image/svg")
        for path in (
            "/secret.txt",
            "/assets/../secret.txt",
            "/assets/%2e%2e/secret.txt",
            "/assets//etc/passwd",
        ):
            assert (await client.get(path)).status_code == 404, path


def test_the_policy_is_the_strict_one():
    rules = dict(rule.split(" ", 1) for rule in CSP.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in CSP
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["frame-ancestors"] == "'none'"


async def test_errors_carry_the_headers_too(house):
    async with house.client() as client:
        for path in ("/api/v1/alarms", "/nothing"):
            assert "content-security-policy" in (await client.get(path)).headers


async def test_pages_that_are_not_built_say_so(house):
    async with house.client() as client:
        answer = await client.get("/")
    assert (answer.status_code, "server.build_pages" in answer.text) == (503, True)


async def test_a_body_that_is_too_long_is_not_read(house):
    async with house.serving() as base, httpx.AsyncClient(base_url=base, headers=CSRF) as client:
        answer = await client.post("/api/v1/session", content=b"x" * (MOST_BODY + 1))
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")

        async def unannounced():
            for _ in range(100):
                yield b"x" * 65536

        answer = await client.post("/api/v1/session", content=unannounced())
        assert answer.status_code == 413
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30])
async def test_a_length_that_is_none(house, length):
    async with house.machine(Role.GUARD) as client:
        answer = await client.post(ACK, content=b"{}", headers={"content-length": length})
    assert answer.status_code == 413


async def test_a_body_that_never_ends_is_given_up():
    sent = []

    async def never(scope, receive, send):
        pytest.fail("the application was asked")

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "headers": [], "path": "/"}
    await BodyCap(never, within_s=0.01)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_deep_or_odd_body_costs_one_request(house):
    async with house.person(Role.GUARD) as guard:
        for body in (b"[" * 100_000, b'{"op_id": "\xff\xfe"}', b"\x00", b"NaN", b'{"a":' * 20_000):
            answer = await guard.post(ACK, content=body, headers={"content-type": "application/json"})
            assert answer.status_code in {400, 422}, body[:20]
        assert (await guard.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/alarms/99999999999999999999999",
        "/api/v1/alarms/-1",
        "/api/v1/alarms/1e3",
        "/api/v1/devices/a%00b/c",
        "/api/v1/devices/" + "x" * 300 + "/m",
        "/api/v1/commands/" + "é",
        "/api/v1/alarms/history?limit=99999999999999999999",
        "/api/v1/alarms/history?from=0001-01-01T00:00:00%2B23:59",
        "/api/v1/alarms/history?to=9999-12-31T23:59:59-23:59",
        "/api/v1/devices/garden/m-1/history?point=energy&to=0001-01-01T00:00:00%2B23:59",
        "/api/v1/meters/reads?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z",
        "/api/v1/meters/reads?site=" + "x" * 100,
        "/api/v1/quarantine?limit=0",
    ],
)
async def test_odd_addresses_are_answered_with_a_reason(house, path):
    async with house.machine(Role.ADMIN) as client:
        answer = await client.get(path)
    assert answer.status_code in {200, 404, 422}, answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


@pytest.fixture
def full_disk(house):
    """Every write fails as it does on a disk that takes nothing; reading goes on."""

    def refuse(raw, _record):
        raw.execute("PRAGMA query_only=ON")

    def arm():
        event.listen(house.engine, "connect", refuse)
        house.engine.dispose()

    return arm


async def test_a_full_disk_does_not_hide_the_alarms(house, full_disk):
    house.event("fire-1", "zone3")
    async with house.person(Role.GUARD) as guard:
        full_disk()
        house.pass_time(minutes=5)
        answer = await guard.get("/api/v1/alarms")
        assert [alarm["code"] for alarm in answer.json()["alarms"]] == ["zone3"]
        body = {"op_id": "op-00001", "q": answer.json()["alarms"][0]["q"], "note": ""}
        answer = await guard.post(ACK, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_busy")


async def test_what_runs_beside_outlives_a_full_disk(house, full_disk, monkeypatch):
    monkeypatch.setattr("server.api.app.SWEEP_S", 0.01)
    failed, went = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    from server.api import app as module

    def watched(services, *, thorough):
        try:
            done = sweep(services, thorough=thorough)
        except OperationalError:
            loop.call_soon_threadsafe(failed.set)
            raise
        if failed.is_set():
            loop.call_soon_threadsafe(went.set)
        return done

    sweep = module.sweep
    monkeypatch.setattr(module, "sweep", watched)
    full_disk()
    async with asyncio.timeout(10), house.serving() as base:
        await failed.wait()
        for listener in list(house.engine.pool.dispatch.connect):
            if listener.__name__ == "refuse":
                event.remove(house.engine, "connect", listener)
        house.engine.dispose()
        await went.wait()
        async with httpx.AsyncClient(base_url=base) as client:
            assert (await client.get("/health")).status_code == 200
