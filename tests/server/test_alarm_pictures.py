"""Pictures beside alarms: asked for by a guard, fetched by the gateway, checked, few, and seen by who reads."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.cameras.picture import jpeg_size
from gateway.site.config import load_site
from gateway.tools.jobs import Nowhere, carry, line_that_listens
from gateway.tools.voice import Voice
from gateway.tools.work import Work
from messages.codec import encode
from messages.tool_args import tool_args
from messages.tool_room import MOST_PICTURES
from messages.tools import SaidKind
from messages.types import GatewayState
from server.alarms import pictures
from server.alarms.pictures import PictureBroken, assemble, reference_in
from server.api.alarm_pictures import OnePicture, Pictures
from server.api.app import sweep
from server.auth.roles import Role
from server.db.engine import read, write
from server.db.tables_auth import audit
from server.db.tables_pictures import alarm_pictures
from server.db.tables_tools import tool_rows
from server.ingest.writer import Incoming
from server.tools import store
from tests.support.camera import line as camera_line
from tests.support.camera import server as camera_server
from tests.support.pictures import KEPT, camera_birth, done, parts, photograph
from tests.support.sitefile import site_at
from tests.support.toylisten import listening
from tests.support.voice import hearing
from tests.support.waiting import until
from tests.support.web import ADDRESS, house_birth

JPEG = photograph()
ALARMS = "/api/v1/alarms"
SITE = """\
site: garden
gateway: gw-a
broker: {url: "mqtt://127.0.0.1:1883", username: gw-a, password_file: secrets/gw-a}
"""


@pytest.fixture
def gate(house):
    """The house, with an alarm of its camera that names a picture."""
    house.be_born(camera_birth(house.now))
    house.event("cam-1", "black", evidence=KEPT)
    return house


def ask(number=1, **changes):
    return {"op_id": f"op-{number:06}"} | changes


async def alarm_of(client, device="cam-1"):
    found = (await client.get(ALARMS)).json()["alarms"]
    return f"{ALARMS}/{next(one['id'] for one in found if one['device'] == device)}"


async def send(gateway, house, data=JPEG, rows=None, **changes):
    """Answer the newest request as the gateway does."""
    job = house.asked[-1][1].id
    rows = parts(data) if rows is None else rows
    await gateway.say(
        *(gateway.message(job, SaidKind.ROW, {"rows": [row], "dropped": 0}) for row in rows),
        gateway.message(job, SaidKind.DONE, done(data, rows, **changes)),
    )


async def test_from_a_guards_button_to_the_picture_that_outlives_its_job(gate, monkeypatch):
    async with gate.person(Role.GUARD, "lee") as lee, hearing(gate) as gateway:
        url = await alarm_of(lee)
        made = (await lee.post(f"{url}/snapshot", json=ask())).json()
        first = OnePicture.model_validate(made).snapshot
        assert (first.n, first.of, first.state, first.by) == (1, "now", "pending", "lee")
        ((address, request),) = gate.asked
        assert (address, request.tool, request.line, request.args, request.by) == (
            ADDRESS, "snapshot", "cameras", {"device": "cam-1"}, "lee"
        )  # fmt: skip
        assert (await lee.get(f"{url}/snapshots/1")).status_code == 404
        assert len(parts(JPEG)) > 1
        await send(gateway, gate)
        assert (await lee.post(f"{url}/snapshot", json=ask())).json()["snapshot"]["state"] == "kept"
        assert len(gate.asked) == 1
        await lee.post(f"{url}/snapshot", json=ask(2, of="moment"))
        assert gate.asked[-1][1].args == {"device": "cam-1", "picture": KEPT}
        await send(gateway, gate, taken="")
        assert (await lee.get(f"/api/v1/gateways/gw-a/tools/{request.id}")).status_code == 403
    monkeypatch.setattr(store, "KEEP_JOBS", 0)
    with write(gate.engine) as conn:
        assert conn.execute(select(func.count()).select_from(tool_rows)).scalar() == 0, "it is kept once"
        store.prune(conn, gate.now)
        assert conn.execute(
            select(audit.c.actor).where(audit.c.action == "alarm-snapshot")
        ).scalars().all() == ["lee", "lee"]
    async with gate.machine(Role.VIEWER) as viewer:
        listed = Pictures.model_validate((await viewer.get(f"{url}/snapshots")).json()).snapshots
        assert [(one.n, one.of, one.state, one.taken_at, one.bytes) for one in listed] == [
            (1, "now", "kept", "2026-11-22T10:00:01.250Z", len(JPEG)),
            (2, "moment", "kept", None, len(JPEG)),
        ]
        seen = await viewer.get(f"{url}/snapshots/1")
        assert seen.content == JPEG
        assert seen.headers["content-type"] == "image/jpeg"
        assert seen.headers["cache-control"] == "no-store"
        assert seen.headers["x-content-type-options"] == "nosniff"
        assert (await viewer.post(f"{url}/snapshot", json=ask(3))).status_code == 403
        for path in ("snapshots/9", "snapshots/0", "snapshots/x"):
            assert (await viewer.get(f"{url}/{path}")).status_code in {404, 422}
        assert (await viewer.get(f"{ALARMS}/999/snapshots")).status_code == 404


async def test_what_a_gateway_says_of_a_real_picture_is_what_the_server_puts_together(gate, tmp_path):
    cam = camera_server()
    async with cam.running():
        made = camera_line(tmp_path, cam.port)
        async with (
            listening(made) as heart,
            gate.machine(Role.GUARD) as guard,
            hearing(gate) as gateway,
        ):
            (ear,) = heart.listeners.lines
            await until(lambda: cam.pictures > 0)
            url = await alarm_of(guard)
            await guard.post(f"{url}/snapshot", json=ask())
            request = gate.asked[-1][1]
            said = []
            voice = Voice(lambda kind, body: said.append(gateway.message(request.id, kind, dict(body))))
            site = load_site(site_at(tmp_path, SITE))
            work = Work(site, line_that_listens(made), Nowhere(), voice.row, clock=lambda: gate.now, ear=ear)
            kind, _ = await carry(request.tool, tool_args(request.tool, request.args), work, 10)
            voice.end(kind, {"result": work.result})
            await gateway.say(*said)
            (one,) = (await guard.get(f"{url}/snapshots")).json()["snapshots"]
            assert (one["state"], one["why"], one["taken_at"]) == ("kept", "", "2026-11-22T10:00:00.000Z")
            seen = (await guard.get(f"{url}/snapshots/1")).content
            assert jpeg_size(seen) == (320, 180)
            assert hashlib.sha256(seen).hexdigest() == one["sha256"]


async def test_what_cannot_be_is_refused_and_never_sent(gate):
    gate.event("door-1", "forced")
    async with gate.machine(Role.GUARD) as guard, gate.machine(Role.GUARD) as other:
        camera, door = await alarm_of(guard), await alarm_of(guard, "door-1")

        async def refused(url, **changes):
            answer = await other.post(f"{url}/snapshot", json=ask(**changes))
            return answer.status_code, answer.json()["error"]["code"]

        assert await refused(door) == (422, "no_camera")
        assert await refused(f"{ALARMS}/999") == (404, "not_found")
        assert await refused(camera, of="yesterday") == (422, "invalid")
        assert gate.asked == []
        assert (await guard.post(f"{camera}/snapshot", json=ask())).status_code == 200
        gate.store(
            Incoming(ADDRESS.state, encode(GatewayState(online=False, boot="b1", why="connection lost")))
        )
        assert await refused(camera) == (409, "gateway_offline")
        gate.be_born(house_birth(boot="b2"))
        assert await refused(camera) == (422, "no_camera")
    assert len(gate.asked) == 1


async def test_a_guards_picture_waits_for_no_engineer(gate):
    tools = "/api/v1/gateways/gw-a/tools"
    async with gate.machine(Role.ENGINEER) as engineer, gate.machine(Role.GUARD) as guard:

        async def tool(number, name, line="cameras", **args):
            body = {"tool": name, "line": line, "args": args, "op_id": f"tool-{number:04}"}
            answer = await engineer.post(tools, json=body)
            return (answer.json().get("error") or {}).get("code", answer.status_code)

        assert [await tool(number, "trace") for number in (1, 2)] == [200, 200], "they only look on"
        certify = {"engineer": "Lee"}
        assert await tool(3, "certify", **certify) == 200
        assert await tool(4, "certify", **certify) == "line_busy"
        assert await tool(5, "watch", line="riser") == 200
        assert await tool(6, "trace", line="riser") == "line_busy", "a line that is polled is for one"
        assert await tool(7, "trace") == "gateway_busy"
        url = await alarm_of(guard)
        for number in range(MOST_PICTURES):
            assert (await guard.post(f"{url}/snapshot", json=ask(number))).status_code == 200
        more = await guard.post(f"{url}/snapshot", json=ask(MOST_PICTURES))
        assert (more.status_code, more.json()["error"]["code"]) == (409, "gateway_busy")


async def test_without_a_picture_in_the_evidence_there_is_none_of_the_moment(house):
    house.be_born(camera_birth(house.now))
    house.event("cam-1", "black", evidence="raw:00FF")
    async with house.machine(Role.GUARD) as guard:
        url = await alarm_of(guard)
        answer = await guard.post(f"{url}/snapshot", json=ask(of="moment"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_picture")
        assert (await guard.get(f"{url}/snapshots")).json() == {"snapshots": []}


async def test_what_is_no_whole_picture_is_never_shown(gate):
    broken = [
        ({"rows": parts(JPEG)[1:]}, "missing"),
        ({"rows": parts(JPEG)[:-1]}, "digest"),
        ({"sha256": "0" * 64}, "digest"),
        ({"data": b"GIF89a" + JPEG}, "no JPEG"),
        ({"data": JPEG + bytes(pictures.MOST_BYTES)}, "bytes"),
        ({"bytes": 10}, "longer"),
        ({"rows": [{"part": 0, "jpeg": ["?!"]}]}, "base64"),
    ]
    async with gate.machine(Role.GUARD) as guard, hearing(gate) as gateway:
        url = await alarm_of(guard)
        for number, (changes, says) in enumerate(broken, 1):
            await guard.post(f"{url}/snapshot", json=ask(number))
            await send(gateway, gate, **changes)
            # Of failures only the last one is kept, so that it can be read why.
            (one,) = (await guard.get(f"{url}/snapshots")).json()["snapshots"]
            assert (one["n"], one["state"]) == (number, "failed")
            assert says in one["why"]
            assert (await guard.get(f"{url}/snapshots/{number}")).status_code == 404


async def test_a_refusal_a_lost_broker_and_silence_are_said(gate):
    async with gate.machine(Role.GUARD) as guard, hearing(gate) as gateway:
        url = await alarm_of(guard)

        async def last():
            one = (await guard.get(f"{url}/snapshots")).json()["snapshots"][-1]
            return one["state"], one["why"]

        gate.broker_gone = True
        assert (await guard.post(f"{url}/snapshot", json=ask(1))).json()["snapshot"]["state"] == "failed"
        assert await last() == ("failed", "not sent: nobody there")
        gate.broker_gone = False
        await guard.post(f"{url}/snapshot", json=ask(2))
        why = {"why": "picture: it is not kept here any more"}
        await gateway.say(gateway.message(gate.asked[-1][1].id, SaidKind.FAILED, why))
        assert await last() == ("failed", why["why"])
        await guard.post(f"{url}/snapshot", json=ask(3))
        gate.pass_time(seconds=90)
        sweep(gate.services, thorough=False)
        state, said = await last()
        assert state == "failed"
        assert "has not said" in said
        # What comes late comes all the same.
        await send(gateway, gate)
        assert await last() == ("kept", "")


async def test_there_are_few_and_not_for_ever(gate, monkeypatch):
    async with gate.machine(Role.GUARD) as guard, hearing(gate) as gateway:
        url = await alarm_of(guard)

        async def numbers():
            return [one["n"] for one in (await guard.get(f"{url}/snapshots")).json()["snapshots"]]

        async def refused(number):
            answer = await guard.post(f"{url}/snapshot", json=ask(number))
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "enough_pictures")
            return answer.json()["error"]["message"]

        for number in (1, 2):
            await guard.post(f"{url}/snapshot", json=ask(number))
            await send(gateway, gate)
        monkeypatch.setattr(pictures, "MOST_OF_ALARM", 2)
        assert "has 2 pictures already" in await refused(3)
        monkeypatch.setattr(pictures, "MOST_OF_ALARM", 3)
        monkeypatch.setattr(pictures, "MOST_TOTAL", 2 * len(JPEG) + pictures.MOST_BYTES - 1)
        assert "all pictures together" in await refused(4)
        assert await numbers() == [1, 2], "none gives way"
        gate.pass_time(days=91)
        sweep(gate.services, thorough=True)
        assert await numbers() == []
        assert (await guard.post(f"{url}/snapshot", json=ask(5))).status_code == 200
        assert "all pictures together" in await refused(6), "the place of what is on its way is taken"
        monkeypatch.setattr(pictures, "MOST_TOTAL", len(JPEG) - 1)
        await send(gateway, gate)
        (late,) = (await guard.get(f"{url}/snapshots")).json()["snapshots"]
        assert (late["state"], late["bytes"]) == ("failed", None)
        assert "no room" in late["why"]
        gate.pass_time(days=91)
        sweep(gate.services, thorough=True)
    with read(gate.engine) as conn:
        assert conn.execute(select(func.count()).select_from(alarm_pictures)).scalar() == 0


@given(
    st.binary(max_size=20_000).map(lambda tail: b"\xff\xd8\xff" + tail),
    st.integers(1, 4000),
    st.integers(1, 3),
)
def test_every_picture_comes_back_as_it_was(data, chunk, of):
    rows = parts(data, chunk, of)
    assert assemble(rows, done(data, rows)["result"]) == data


words = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["part", "jpeg", "bytes", "sha256"]), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(st.lists(words.filter(lambda one: isinstance(one, dict)), max_size=4), words)
def test_no_words_of_a_gateway_get_further_than_a_refusal(rows, result):
    with pytest.raises(PictureBroken):
        assemble(rows, result)


def test_evidence_names_at_most_one_picture():
    assert reference_in(KEPT) == KEPT
    assert reference_in(f"{{'x': '{KEPT}'}}") == KEPT
    assert reference_in("picture:" + "a" * 200) == reference_in("picture") == reference_in("") == ""
