"""Tools over HTTP: checked before they are sent, one at a time on a line, heard once, and never left looking alive."""

import asyncio

import pytest
from sqlalchemy import func, select

from messages import certificate
from messages.broker import Message
from messages.tools import SaidKind
from messages.topics import Address
from server.api.app import sweep
from server.api.tools import JobAndRows, JobAnswer, Jobs, Lines
from server.auth.roles import Role
from server.db.engine import read, write
from server.db.tables_auth import audit
from server.db.tables_tools import tool_jobs, tool_rows
from server.tools import store
from tests.support.voice import hearing
from tests.support.waiting import until
from tests.support.web import ADDRESS, Frames

URL = "/api/v1/gateways/gw-a/tools"


def ask(**changes):
    return {"tool": "scan", "line": "riser", "args": {"units": "1-8"}, "op_id": "op-00001"} | changes


async def test_a_scan_from_the_button_to_its_result(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        assert (
            Lines.model_validate((await wang.get("/api/v1/gateways/gw-a/lines")).json()).lines[0].id
            == "riser"
        )
        made = (await wang.post(URL, json=ask())).json()["job"]
        JobAnswer.model_validate({"job": made})
        ((address, request),) = house.asked
        assert (address, request.id, request.tool, request.line, request.by) == (
            ADDRESS, made["id"], "scan", "riser", "wang"
        )  # fmt: skip
        assert (made["state"], request.args, request.until > request.at) == ("sent", {"units": "1-8"}, True)
        job = made["id"]
        await gateway.say(
            gateway.message(job, SaidKind.PROGRESS, {"done": 1, "total": 8, "left_s": 3}),
            gateway.message(job, SaidKind.ROW, {"rows": [{"unit": 1}, {"unit": 2}], "dropped": 0}),
        )
        found = (await wang.get(f"{URL}/{job}")).json()
        JobAndRows.model_validate(found)
        assert (found["job"]["state"], found["job"]["progress"]["done"]) == ("running", 1)
        assert found["rows"] == [{"unit": 1, "n": 1}, {"unit": 2, "n": 2}]
        assert (await wang.get(f"{URL}/{job}?after=1&limit=1")).json()["rows"] == [{"unit": 2, "n": 2}]
        await gateway.say(gateway.message(job, SaidKind.DONE, {"result": {"found": 2}}))
        (listed,) = Jobs.model_validate((await wang.get(URL)).json()).jobs
        assert (listed.state, listed.result, listed.rows) == ("done", {"found": 2}, 2)
        assert listed.ended_at
    with read(house.engine) as conn:
        assert conn.execute(select(audit.c.actor).where(audit.c.action == "tool.scan")).scalar_one() == "wang"


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"tool": "format"}, 422, "none of"),
        ({"tool": "stop"}, 422, "none of"),
        ({"line": None}, 422, "line"),
        ({"line": "attic"}, 404, "riser"),
        ({"tool": "profiles", "args": {}}, 422, "line"),
        ({"args": {"units": "1-999"}}, 422, "units"),
        ({"args": {"speed": 1}}, 422, "speed"),
        ({"args": {"units": 1.5}}, 422, "float"),
        ({"args": {"units": ["x"] * 9000}}, 422, ""),
        ({"args": []}, 422, "args"),
        ({"tool": "ask", "args": {"unit": 1, "pdu": "050001FF00"}}, 422, "may change the device"),
        ({"tool": "read", "args": {"device": "a/b"}}, 422, "device"),
        ({"for_s": 10**7}, 422, "for_s"),
        ({"mood": 1}, 422, "mood"),
    ],
)
async def test_what_cannot_be_is_refused_and_never_sent(house, changes, status, says):
    async with house.machine(Role.ADMIN) as admin:
        answer = await admin.post(URL, json=ask(**changes))
        assert answer.status_code == status, answer.text
        assert says in answer.text
        assert (await admin.post("/api/v1/gateways/gw-z/tools", json=ask())).status_code == 404
    assert house.asked == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.GUARD, Role.BILLER])
async def test_only_engineers_touch_a_wire(house, role):
    async with house.machine(Role.ENGINEER) as engineer, house.machine(role) as other:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        for answer in (
            await other.post(URL, json=ask(op_id="op-00002")),
            await other.get(URL),
            await other.get(f"{URL}/{job}"),
            await other.delete(f"{URL}/{job}"),
            await other.get("/api/v1/stream?topics=tools"),
        ):
            assert answer.status_code == 403


async def test_one_job_at_a_time_on_a_line_and_none_where_nobody_listens(house):
    async with house.machine(Role.ENGINEER) as one, house.machine(Role.ENGINEER) as two:
        first = (await one.post(URL, json=ask())).json()["job"]
        assert (await one.post(URL, json=ask())).json()["job"]["id"] == first["id"]
        assert len(house.asked) == 1
        busy = await two.post(URL, json=ask(tool="watch", args={}, op_id="op-00002"))
        assert (busy.status_code, busy.json()["error"]["code"]) == (409, "line_busy")
        assert (await one.post(URL, json=ask(args={}))).status_code == 422
        await one.delete(f"{URL}/{first['id']}")
        house.be_born(online=False)
    house.store(_will(house))
    async with house.machine(Role.ENGINEER) as one:
        gone = await one.post(URL, json=ask(op_id="op-00003"))
        assert gone.json()["error"]["code"] == "gateway_offline"


def _will(house):
    from messages.codec import encode
    from messages.types import GatewayState
    from server.ingest.writer import Incoming

    return Incoming(ADDRESS.state, encode(GatewayState(online=False, boot="b1", why="connection lost")))


async def test_a_job_that_no_broker_takes_has_failed(house):
    house.broker_gone = True
    async with house.machine(Role.ENGINEER) as engineer:
        job = (await engineer.post(URL, json=ask())).json()["job"]
        assert (job["state"], job["why"]) == ("failed", "not sent: nobody there")
        assert (await engineer.delete(f"{URL}/{job['id']}")).json()["job"]["state"] == "failed"


async def test_a_job_that_was_taken_though_its_connection_was_lost_lives_and_is_asked_for_nothing(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        house.broker_gone = True
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        house.broker_gone = False
        await gateway.say(
            gateway.message(job, SaidKind.PROGRESS, {"done": 0, "total": 8, "left_s": None}),
            gateway.message(job, SaidKind.ROW, {"rows": [{"unit": 1}]}),
        )
        found = (await engineer.get(f"{URL}/{job}")).json()
        assert (found["job"]["state"], found["job"]["why"], found["job"]["ended_at"]) == ("running", "", None)
        assert found["rows"] == [{"unit": 1, "n": 1}]
        await gateway.say(gateway.message(job, SaidKind.FAILED, {"why": "the line is down"}))
        await gateway.say(gateway.message(job, SaidKind.DONE, {}, seq=9))
        ended = (await engineer.get(f"{URL}/{job}")).json()["job"]
        assert (ended["state"], ended["why"]) == ("failed", "the line is down")
        assert gateway.asked == []


async def test_stopping_is_asked_once_and_told_by_the_gateway(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        stopping = (await engineer.delete(f"{URL}/{job}")).json()["job"]
        assert stopping["state"] == "stopping"
        assert [request.tool for _, request in house.asked] == ["scan", "stop"]
        await gateway.say(
            gateway.message(job, SaidKind.ROW, {"rows": [{"unit": 3}]}),
            gateway.message(job, SaidKind.STOPPED, {"why": "stopped by wang", "result": {"found": 1}}),
        )
        ended = (await engineer.get(f"{URL}/{job}")).json()["job"]
        assert (ended["state"], ended["why"], ended["result"]) == ("stopped", "stopped by wang", {"found": 1})
        await gateway.say(gateway.message(job, SaidKind.DONE, {"result": {}}))
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["state"] == "stopped"


async def test_a_message_twice_counts_once_and_a_hole_is_asked_for(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        row = {"rows": [{"unit": 1}]}
        await gateway.say(
            gateway.message(job, SaidKind.ROW, row, seq=1),
            gateway.message(job, SaidKind.ROW, row, seq=1),
            gateway.message(job, SaidKind.ROW, row, seq=3),
        )
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["rows"] == 1
        ((address, request),) = gateway.asked
        assert (address, request.id, request.tool, request.args) == (ADDRESS, job, "again", {"after": 1})
        await gateway.say(
            gateway.message(job, SaidKind.ROW, row, seq=2), gateway.message(job, SaidKind.ROW, row, seq=3)
        )
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["rows"] == 3


async def test_after_a_reconnect_open_jobs_are_asked_for(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        gateway.desk.connected()
        await until(lambda: gateway.asked, every=0.005)
        assert gateway.asked[0][1].args == {"after": 0}
        assert gateway.asked[0][1].id == job


async def test_a_job_of_which_nothing_is_heard_is_asked_about(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house, quiet_s=0.2) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        await gateway.say(gateway.message(job, SaidKind.PROGRESS, {"done": 1, "total": 8}))
        await until(lambda: gateway.asked, every=0.005)
        assert {(request.id, request.tool, request.args["after"]) for _, request in gateway.asked} == {
            (job, "again", 1)
        }
        await gateway.say(gateway.message(job, SaidKind.FAILED, {"why": "this gateway knows no such job"}))
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["state"] == "failed"


async def test_another_gateway_cannot_speak_for_a_job(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        await gateway.say(
            gateway.message(job, SaidKind.DONE, {"result": {}}, seq=1, address=Address("garden", "gw-b")),
            gateway.message(job, SaidKind.DONE, {"result": {}}, seq=1, retained=True),
            gateway.message(job, SaidKind.DONE, {"result": {}}, seq=1, topic_id="other"),
            gateway.message("nobody", SaidKind.DONE, {"result": {}}, seq=1),
        )
        noise = Message(ADDRESS.said(job), b"\xff" * 100, False, gateway.message(job, SaidKind.DONE).ack)
        await gateway.say(noise)
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["state"] == "sent"


async def test_text_from_the_field_is_made_safe(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        nasty = {"rows": [{"vendor": "A\x1b[31mcme\u202e\x00", "raw": "00 01"}, "no row", 7]}
        await gateway.say(gateway.message(job, SaidKind.ROW, nasty))
        (row,) = (await engineer.get(f"{URL}/{job}")).json()["rows"]
        assert row == {"n": 1, "vendor": "A[31mcme", "raw": "00 01"}


async def test_only_the_newest_rows_are_kept_and_the_rest_is_counted(house, monkeypatch):
    monkeypatch.setattr(store, "MOST_ROWS", 10)
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
        for start in range(0, 25, 5):
            rows = [{"frame": number} for number in range(start, start + 5)]
            await gateway.say(gateway.message(job, SaidKind.ROW, {"rows": rows, "dropped": 1}))
        found = (await engineer.get(f"{URL}/{job}")).json()
    assert [row["frame"] for row in found["rows"]] == list(range(15, 25))
    assert (found["job"]["rows"], found["job"]["dropped"]) == (25, 15 + 5)


async def test_a_job_that_nobody_ends_is_lost_and_old_ones_are_forgotten(house, monkeypatch):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        job = (await engineer.post(URL, json=ask(for_s=10))).json()["job"]["id"]
        house.pass_time(seconds=24)
        sweep(house.services, thorough=True)
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["state"] == "sent"
        house.pass_time(seconds=2)
        sweep(house.services, thorough=False)
        lost = (await engineer.get(f"{URL}/{job}")).json()["job"]
        assert lost["state"] == "lost"
        assert "has not said" in lost["why"]
        # A gateway that comes back late still tells what it found.
        await gateway.say(
            gateway.message(job, SaidKind.ROW, {"rows": [{"unit": 1}]}),
            gateway.message(job, SaidKind.DONE, {"result": {"found": 1}}),
        )
        assert (await engineer.get(f"{URL}/{job}")).json()["job"]["state"] == "done"
    monkeypatch.setattr(store, "KEEP_JOBS", 0)
    with write(house.engine) as conn:
        store.prune(conn, house.now)
        assert conn.execute(select(func.count()).select_from(tool_jobs)).scalar() == 0
        assert conn.execute(select(func.count()).select_from(tool_rows)).scalar() == 0


async def test_the_page_sees_a_job_move_on_the_stream(house):
    async with house.serving() as base, hearing(house) as gateway, house.machine(Role.ENGINEER) as engineer:
        headers = {"authorization": f"Bearer {house.token(Role.ENGINEER)}"}
        async with Frames.open(base, "/api/v1/stream?topics=tools", headers) as frames:
            await frames.until("live")
            job = (await engineer.post(URL, json=ask())).json()["job"]["id"]
            await gateway.say(gateway.message(job, SaidKind.PROGRESS, {"done": 1, "total": 8}))
            seen = []
            async with asyncio.timeout(5):
                while not seen or seen[-1]["state"] != "running":
                    *_, frame = await frames.until("tools")
                    seen += frame["data"]
            assert {one["id"] for one in seen} == {job}
            assert [one["q"] for one in seen] == sorted(one["q"] for one in seen)


CHECK = {"check": "reads", "pass": True, "planned": "", "found": "0 errors in 100 reads", "why": ""}


async def test_a_certificate_is_a_file_to_print_or_to_check(house):
    row = {"device": "m-1", "name": "<b>", "profile": "p", "unit": 1, "metering_point": "", "pass": True}
    row["checks"] = [CHECK]
    head = dict.fromkeys(("site", "gateway", "line", "endpoint", "settings", "config", "engineer"), "x")
    head |= {
        "certificate": 1,
        "note": "",
        "at": "2026-03-01T12:00:00.000Z",
        "utilisation": "5%",
        "pass": True,
    }
    head |= {"clock": CHECK, "cable": {**CHECK, "pass": None}, "signature": "hmac-sha256:0", "key": "k"}
    head["digest"] = certificate.digest(certificate.canonical({**head, "devices": [row]}))
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        body = ask(tool="certify", args={"engineer": "wang"})
        job = (await engineer.post(URL, json=body)).json()["job"]["id"]
        early = await engineer.get(f"{URL}/{job}/certificate")
        assert (early.status_code, early.json()["error"]["code"]) == (409, "no_certificate")
        await gateway.say(
            gateway.message(job, SaidKind.ROW, {"rows": [row]}),
            gateway.message(job, SaidKind.DONE, {"result": {"head": head}}),
        )
        page = await engineer.get(f"{URL}/{job}/certificate")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["content-disposition"].startswith("attachment")
        assert "&lt;b&gt;" in page.text
        kept = (await engineer.get(f"{URL}/{job}/certificate?format=json")).json()
        assert kept["digest"] == certificate.digest(certificate.canonical(kept))
        assert (await engineer.get(f"{URL}/{job}/certificate?format=exe")).status_code == 422
        await engineer.post(URL, json=ask(op_id="op-00009"))
    house.pass_time(seconds=1)
    async with house.machine(Role.VIEWER) as viewer:
        assert (await viewer.get(f"{URL}/{job}/certificate")).status_code == 403


async def test_a_gateway_that_tells_nonsense_makes_no_certificate(house):
    async with house.machine(Role.ENGINEER) as engineer, hearing(house) as gateway:
        body = ask(tool="certify", args={"engineer": "wang"})
        job = (await engineer.post(URL, json=body)).json()["job"]["id"]
        await gateway.say(gateway.message(job, SaidKind.DONE, {"result": {"head": {"certificate": 1}}}))
        assert (await engineer.get(f"{URL}/{job}/certificate")).status_code == 409
