"""Nobody comes in without a name, and nobody does what their role does not say."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from server.auth.limit import FREE_TRIES, LONGEST_WAIT, MOST_KEYS, LoginLimit
from server.auth.passwords import BadPassword, Passwords, checked
from server.auth.roles import RIGHTS, Right, Role, may
from server.db.engine import read
from server.db.tables_auth import audit, sessions, tokens, users
from tests.support.ingest import T0
from tests.support.web import CSRF, PASSWORD

CHEAP = Passwords(time_cost=1, memory_kib=64)
SESSION = "/api/v1/session"


def sign_in(client, name="wang", password=PASSWORD, **headers):
    return client.post(SESSION, json={"username": name, "password": password}, headers=CSRF | headers)


async def test_a_session_lives_in_a_cookie_that_no_script_can_read(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        answer = await sign_in(client)
        wanted = {"user": "wang", "role": "guard", "must_change": False, "timezone": "Asia/Shanghai"}
        assert answer.json() == wanted
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get(SESSION)).json()["user"] == "wang"
        assert (await client.delete(SESSION, headers=CSRF)).status_code == 204
        assert (await client.get(SESSION)).status_code == 401


async def test_no_secret_is_in_the_database(house):
    token = house.token(Role.VIEWER)
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        await sign_in(client)
        cookie = client.cookies["gatehouse"]
    with read(house.engine) as conn:
        stored = [
            str(row) for table in (users, sessions, tokens, audit) for row in conn.execute(select(table))
        ]
    text = " ".join(stored)
    assert stored
    assert PASSWORD not in text
    assert token not in text
    assert cookie not in text
    assert "$argon2id$" in text


async def test_over_https_the_cookie_is_bound_to_the_host(tmp_path):
    from dataclasses import replace

    from server.api import create_app
    from tests.support.web import open_house

    house = open_house(tmp_path)
    try:
        settings = replace(house.services.settings, https=True)
        house.app = create_app(replace(house.services, settings=settings))
        house.user("wang", Role.GUARD)
        async with house.client() as client:
            answer = await sign_in(client)
        assert answer.headers["set-cookie"].startswith("__Host-gatehouse=")
        assert "Secure" in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["strict-transport-security"]
    finally:
        house.engine.dispose()


async def test_wrong_name_and_wrong_password_look_the_same(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        unknown = await sign_in(client, "nobody")
        wrong = await sign_in(client, "wang", "not the password")
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.content == wrong.content


def test_an_unknown_user_costs_as_much_as_a_known_one():
    checks = []

    class Counting(type(CHEAP._hasher)):
        def verify(self, stored, password):
            checks.append(stored)
            return super().verify(stored, password)

    passwords = Passwords(time_cost=1, memory_kib=64)
    passwords._hasher = Counting(time_cost=1, memory_cost=64, parallelism=1)
    assert passwords.matches(None, "x") is False
    assert passwords.matches(passwords.hash("right one"), "x") is False
    assert len(checks) == 2


async def test_guessing_gets_slower_and_then_waits(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        for _ in range(FREE_TRIES):
            assert (await sign_in(client, password="wrong wrong")).status_code == 401
        answer = await sign_in(client)
        assert answer.status_code == 429, "even the right one waits: else waiting would tell"
        assert int(answer.headers["retry-after"]) >= 2
        house.pass_time(seconds=3)
        assert (await sign_in(client)).status_code == 200


@given(st.lists(st.integers(0, 4000), max_size=40))
def test_the_wait_grows_and_has_an_end(pauses):
    limit, now = LoginLimit(), T0
    for pause in pauses:
        now += timedelta(seconds=pause)
        limit.failed("k", now)
        assert timedelta(0) <= limit.wait("k", now) <= LONGEST_WAIT
    assert limit.wait("k", now + timedelta(hours=2)) == timedelta(0)
    limit.succeeded("k")
    assert limit.wait("k", now) == timedelta(0)


def test_a_clock_that_was_set_back_locks_nobody_out():
    limit = LoginLimit()
    for _ in range(FREE_TRIES + 20):
        limit.failed("k", T0 + timedelta(days=3650))
    assert limit.wait("k", T0) == LONGEST_WAIT
    assert limit.wait("k", T0 + LONGEST_WAIT) == timedelta(0)


async def test_guesses_at_the_same_moment_are_counted_each(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        answers = await asyncio.gather(*(sign_in(client, password=f"wrong {n}") for n in range(30)))
    codes = Counter(answer.status_code for answer in answers)
    assert codes[401] <= FREE_TRIES + 3, "all but a few find that others have used the tries up"
    assert codes[401] + codes[429] == 30


async def test_a_desk_that_signs_in_all_day_is_not_taken_for_a_guesser(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        for _ in range(5 * FREE_TRIES):
            assert (await sign_in(client)).status_code == 200


async def test_a_session_ends_though_the_clock_was_set_back(house):
    house.pass_time(days=365)
    async with house.person(Role.VIEWER) as client:
        house.pass_time(days=-365)
        assert (await client.get(SESSION)).status_code == 200
        house.pass_time(hours=12, minutes=1)
        assert (await client.get(SESSION)).status_code == 401


def test_a_crowd_of_names_does_not_fill_the_memory():
    limit = LoginLimit()
    for number in range(MOST_KEYS + 50):
        limit.failed(number, T0)
    assert len(limit._records) == MOST_KEYS


@pytest.mark.parametrize("headers", [{}, {"x-csrf": "0"}, {"x-csrf": "1", "sec-fetch-site": "cross-site"}])
async def test_another_site_changes_nothing(house, headers):
    async with house.person(Role.ADMIN) as client:
        client.headers.pop("x-csrf")
        answer = await client.post("/api/v1/tokens", json={"name": "x", "role": "viewer"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "http://gate.test"}, 201),
        ({"origin": "http://evil.test"}, 403),
        ({"sec-fetch-site": "none"}, 403),
    ],
)
async def test_where_a_change_comes_from(house, headers, status):
    async with house.person(Role.ADMIN) as client:
        answer = await client.post("/api/v1/tokens", json={"name": "x", "role": "viewer"}, headers=headers)
    assert answer.status_code == status


async def test_a_session_ends_when_nobody_uses_it(house):
    async with house.person(Role.VIEWER) as client:
        for _ in range(3):
            house.pass_time(hours=8)
            assert (await client.get(SESSION)).status_code == 200
        house.pass_time(hours=12, minutes=1)
        assert (await client.get(SESSION)).status_code == 401


async def test_a_changed_password_ends_every_session(house):
    house.user("wang", Role.GUARD)
    async with house.client(headers=CSRF) as one, house.client(headers=CSRF) as other:
        await sign_in(one)
        await sign_in(other)
        new = {"old": PASSWORD, "new": "another long phrase"}
        assert (await one.post(f"{SESSION}/password", json=new | {"old": "wrong wrong"})).status_code == 422
        for bad, code in (("short", "weak_password"), (new["old"], "same_password")):
            answer = await one.post(f"{SESSION}/password", json=new | {"new": bad})
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert (await one.post(f"{SESSION}/password", json=new)).status_code == 200
        assert (await other.get(SESSION)).status_code == 401
        assert (await one.get(SESSION)).status_code == 200
        assert (await sign_in(other, password=new["new"])).status_code == 200


async def test_a_generated_password_is_changed_before_anything_else(house):
    async with house.person(Role.ADMIN) as admin:
        made = (await admin.post("/api/v1/users", json={"name": "li", "role": "guard"})).json()
    async with house.client(headers=CSRF) as client:
        assert (await sign_in(client, "li", made["password"])).json()["must_change"] is True
        answer = await client.get("/api/v1/alarms")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "password_change_required")
        await client.post(f"{SESSION}/password", json={"old": made["password"], "new": PASSWORD})
        assert (await client.get("/api/v1/alarms")).status_code == 200


async def test_a_token_is_a_key_for_machines_until_it_is_revoked(house):
    async with house.person(Role.ADMIN) as admin:
        made = (await admin.post("/api/v1/tokens", json={"name": "export", "role": "biller"})).json()
        async with house.client(headers={"authorization": f"Bearer {made['token']}"}) as machine:
            assert (await machine.get(SESSION)).json()["user"] == "token:export"
            assert (await machine.get("/api/v1/users")).status_code == 403
            assert (await admin.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
            assert (await machine.get(SESSION)).status_code == 401
        assert (await admin.delete(f"/api/v1/tokens/{made['id']}")).status_code == 404
        again = {"name": "export", "role": "viewer"}
        assert (await admin.post("/api/v1/tokens", json=again)).status_code == 201
        assert (await admin.post("/api/v1/tokens", json=again)).status_code == 422


@pytest.mark.parametrize(
    "header", ["Basic d2FuZzp4", "Bearer", "Bearer  ", "Bearer " + "x" * 5000, "Bearer gh_no"]
)
async def test_a_header_that_is_no_key(house, header):
    async with house.client(headers={"authorization": header}) as client:
        assert (await client.get("/api/v1/alarms")).status_code == 401


async def test_every_change_is_in_the_audit_log(house):
    async with house.person(Role.ADMIN, "boss") as admin:
        await admin.post("/api/v1/users", json={"name": "li", "role": "guard"})
        made = (await admin.post("/api/v1/tokens", json={"name": "x", "role": "viewer"})).json()
        await admin.delete(f"/api/v1/tokens/{made['id']}")
        await admin.delete(SESSION)
    with read(house.engine) as conn:
        found = [(row.actor, row.action) for row in conn.execute(select(audit).order_by(audit.c.seq))]
    expected = ["sign-in", "user-add", "token-add", "token-revoke", "sign-out"]
    assert found == [("boss", action) for action in expected]


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 201])
def test_passwords_that_are_not_taken(password):
    with pytest.raises(BadPassword):
        checked(password)


def test_the_roles_include_each_other_as_the_contract_says():
    assert RIGHTS[Role.VIEWER] < RIGHTS[Role.GUARD] < RIGHTS[Role.ENGINEER] < RIGHTS[Role.ADMIN]
    assert RIGHTS[Role.BILLER] == RIGHTS[Role.VIEWER] | {Right.EXPORT}
    assert not may(Role.ENGINEER, Right.USERS)


async def test_two_sign_ins_at_once_are_two_sessions(house):
    house.user("wang", Role.GUARD)
    async with house.client() as client:
        answers = await asyncio.gather(*(sign_in(client) for _ in range(4)))
    assert [a.status_code for a in answers] == [200] * 4
    with read(house.engine) as conn:
        assert conn.execute(select(func.count()).select_from(sessions)).scalar_one() == 4
