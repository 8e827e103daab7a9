"""What somebody outside, or somebody inside with a stolen session, tries at the door."""

import asyncio
import ipaddress
from collections import Counter

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from server.auth import accounts
from server.auth.limit import FREE_TRIES, neighbourhood
from server.auth.passwords import Passwords
from server.auth.roles import Role
from server.db.engine import read, write
from server.db.tables_auth import audit
from tests.support.web import CSRF, PASSWORD

SESSION = "/api/v1/session"


def from_(house, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(house.app, client=(address, 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://gate.test", headers=CSRF)


async def guess(client: httpx.AsyncClient, name: str) -> int:
    answer = await client.post(SESSION, json={"username": name, "password": "not this one"})
    return answer.status_code


async def test_all_addresses_of_one_ipv6_network_are_one_guesser(house):
    codes = []
    for number in range(4 * FREE_TRIES + 5):
        async with from_(house, f"2001:db8:1:2::{number + 1:x}") as client:
            codes.append(await guess(client, f"name{number}"))
    assert codes[-5:] == [429] * 5
    async with from_(house, "2001:db8:1:3::1") as client:
        assert await guess(client, "name") == 401, "the next house"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_itself_however_it_is_written(address):
    assert neighbourhood(str(address)) == str(address)
    assert neighbourhood(f"::ffff:{address}") == str(address)


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_an_ipv6_network_has_one_name(address, host):
    other = ipaddress.IPv6Address(int(address) >> 64 << 64 | host)
    if address.ipv4_mapped is None and other.ipv4_mapped is None:
        assert neighbourhood(str(address)) == neighbourhood(str(other))


@given(st.text(max_size=50))
def test_what_is_no_address_is_taken_as_it_is(text):
    assert isinstance(neighbourhood(text), str)


async def test_a_password_in_the_wrong_field_is_written_nowhere(house):
    house.user("wang", Role.GUARD)
    async with house.client(headers=CSRF) as client:
        assert await guess(client, "my pass phrase 77") == 401
        assert await guess(client, "wang") == 401
    with read(house.engine) as conn:
        lines = [tuple(row) for row in conn.execute(select(audit.c["actor", "action", "object", "detail"]))]
    assert [line[:2] for line in lines] == [("-", "sign-in-failed"), ("wang", "sign-in-failed")]
    assert "phrase" not in str(lines)


async def test_a_stolen_session_does_not_find_the_password_by_many_guesses_at_once(house):
    async with house.person(Role.GUARD, "wang") as client:
        wrong = [{"old": f"guess {n}", "new": "another pass phrase"} for n in range(40)]
        answers = await asyncio.gather(*(client.post(f"{SESSION}/password", json=body) for body in wrong))
        codes = Counter(answer.status_code for answer in answers)
        assert codes[422] <= FREE_TRIES + 3, "all but a few find that others have used the tries up"
        assert codes[422] + codes[429] == 40
        right = {"old": PASSWORD, "new": "another pass phrase"}
        assert (await client.post(f"{SESSION}/password", json=right)).status_code == 429
        house.pass_time(hours=2)
        assert (await client.post(f"{SESSION}/password", json=right)).status_code == 200
        again = {"old": "another pass phrase", "new": "a third pass phrase"}
        assert (await client.post(f"{SESSION}/password", json=again)).status_code == 200


@pytest.mark.parametrize("name", ["system", "System", "SYSTEM"])
def test_nobody_is_called_what_journals_call_the_server(house, name):
    with pytest.raises(accounts.AccountError, match="journals"), write(house.engine) as conn:
        cheap = Passwords(time_cost=1, memory_kib=64)
        accounts.add_user(conn, cheap, name=name, role=Role.VIEWER, password=PASSWORD, now=house.now)
