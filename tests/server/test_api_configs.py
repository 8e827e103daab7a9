"""Configurations over HTTP: drafts, offers that are sent once, what gateways say, and the way back."""

from contextlib import asynccontextmanager

import msgspec
import pytest
from sqlalchemy import select

from messages.broker import Message
from messages.configs import (
    CHECK_VERSION,
    Checked,
    ConfigOffer,
    ConfigProblem,
    ConfigSaid,
    ConfigState,
    decode_offer,
    encode_config,
)
from messages.topics import Address
from server.api.config_models import CheckedText, OfferAndText, OfferAnswer, Offers, Whole
from server.auth.roles import Role
from server.configs import ConfigDesk, NotChecked
from server.db.engine import read
from server.db.tables_auth import audit
from server.services import no_configs
from tests.support.waiting import alongside, until
from tests.support.web import ADDRESS, Frames

URL = "/api/v1/gateways/gw-a/config"
NEXT_DOOR = Address("garden", "gw-z")
ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")
TEXT = "lines:\n  - id: riser\n    tcp: 192.168.1.10:502\n"
OTHER = TEXT.replace(".10", ".11")


def ask(**changes):
    return {"base": ONE, "yaml": OTHER, "reason": "Riser moved", "op_id": "op-00001"} | changes


class Hearing:
    """The desk with a gateway's voice."""

    def __init__(self, house, publish_check, **options):
        self.house, self.acked = house, 0
        self.desk = ConfigDesk(
            house.engine, house.hub, lambda: house.now, house.post, publish_check, **options
        )

    async def say(self, state, *, active=ONE, yaml=TEXT, address=ADDRESS, payload=None, **facts):
        said = ConfigSaid(state=ConfigState(state), active=active, at=self.house.now, site_yaml=yaml, **facts)

        def ack():
            self.acked += 1

        want = self.acked + 1
        payload = encode_config(said) if payload is None else payload
        self.desk.heard(Message(address.config_said, payload, True, ack))
        await until(lambda: self.acked >= want, "all acknowledged", every=0.005)


@asynccontextmanager
async def hearing(house, publish_check=no_configs, **options):
    voice = Hearing(house, publish_check, **options)
    async with alongside(voice.desk.run()):
        yield voice


async def test_from_a_draft_to_a_confirmed_configuration_and_back(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        assert (await wang.get(URL)).json()["error"]["code"] == "not_told"
        await gateway.say("local")
        first = (await wang.get(URL)).json()
        Whole.model_validate(first)
        assert (first["config"]["state"], first["config"]["active"], first["yaml"]) == ("local", ONE, TEXT)
        kept = (await wang.put(f"{URL}/draft", json={"base": ONE, "yaml": OTHER})).json()
        assert kept["config"]["draft"] | {"at": ""} == {"base": ONE, "by": "wang", "at": "", "stale": False}
        assert kept["diff"][3:] == [
            " lines:",
            "   - id: riser",
            "-    tcp: 192.168.1.10:502",
            "+    tcp: 192.168.1.11:502",
        ]
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        OfferAnswer.model_validate({"offer": made})
        assert (made["state"], made["by"], made["reason"]) == ("sent", "wang", "Riser moved")
        ((address, offered),) = house.offered
        assert (address, offered.id, offered.base, offered.site_yaml) == (ADDRESS, made["id"], ONE, OTHER)
        again = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        assert (again["id"], len(house.offered)) == (made["id"], 1)
        await gateway.say("staged", id=made["id"])
        await gateway.say("applied", id=made["id"], active=TWO, yaml=OTHER)
        await gateway.say("confirmed", id=made["id"], active=TWO, yaml=OTHER)
        now = (await wang.get(URL)).json()
        assert (now["config"]["state"], now["config"]["active"], now["yaml"]) == ("confirmed", TWO, OTHER)
        assert now["config"]["draft"]["stale"] is True
        (row,) = now["offers"]
        assert (row["state"], row["active"]) == ("confirmed", TWO)
        assert row["ended_at"]
        # The way back: an earlier text is offered anew, upon what runs now.
        stale = await wang.post(f"{URL}/offers", json=ask(op_id="op-00002"))
        assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale")
        back = {"base": TWO, "of": made["id"], "reason": "Back", "op_id": "op-00003"}
        offered = (await wang.post(f"{URL}/offers", json=back)).json()["offer"]
        assert house.offered[-1][1].site_yaml == OTHER
        one = OfferAndText.model_validate((await wang.get(f"{URL}/offers/{offered['id']}")).json())
        assert (one.yaml, one.diff) == (OTHER, [])
        Offers.model_validate((await wang.get(f"{URL}/offers")).json())
        dropped = (await wang.delete(f"{URL}/draft")).json()
        assert dropped["config"]["draft"] is None
    with read(house.engine) as conn:
        actions = [row.action for row in conn.execute(select(audit).order_by(audit.c.seq))]
    assert [one for one in actions if one.startswith("config")] == [
        "config.draft",
        "config.offer",
        "config.offer",
        "config.draft",
    ]


async def test_refused_and_rolled_back_say_why_and_an_end_stays(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        problem = ConfigProblem(text="write address:port", line=3, path="lines[0].tcp")
        await gateway.say("refused", id=made["id"], why="1 problem", problems=(problem,))
        row = (await wang.get(f"{URL}/offers")).json()["offers"][0]
        assert (row["state"], row["why"]) == ("refused", "1 problem")
        assert row["problems"] == [{"line": 3, "path": "lines[0].tcp", "text": "write address:port"}]
        second = (await wang.post(f"{URL}/offers", json=ask(op_id="op-00002"))).json()["offer"]
        await gateway.say("applied", id=second["id"], active=TWO)
        await gateway.say("rolled_back", id=second["id"], why="m-1 no longer answers")
        await gateway.say("confirmed", id=second["id"], why="late")
        row = (await wang.get(f"{URL}/offers/{second['id']}")).json()["offer"]
        assert (row["state"], row["why"]) == ("rolled_back", "m-1 no longer answers")
        await gateway.say("confirmed", id=made["id"], address=Address("elsewhere", "gw-a"))
        assert (await wang.get(f"{URL}/offers/{made['id']}")).json()["offer"]["state"] == "refused"


async def test_one_offer_at_a_time_and_one_that_nobody_took_can_go(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        second = await wang.post(f"{URL}/offers", json=ask(op_id="op-00002"))
        assert (second.status_code, second.json()["error"]["code"]) == (409, "offer_open")
        gone = (await wang.delete(f"{URL}/offers/{made['id']}")).json()["offer"]
        assert (gone["state"], house.offered[-1]) == ("withdrawn", (ADDRESS, None))
        third = (await wang.post(f"{URL}/offers", json=ask(op_id="op-00003"))).json()["offer"]
        await gateway.say("staged", id=third["id"])
        taken = await wang.delete(f"{URL}/offers/{third['id']}")
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "taken")


async def test_words_in_another_order_do_not_bring_back_a_trial(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        await gateway.say("rolled_back", id=made["id"], why="m-1 no longer answers")
        await gateway.say("staged", id=made["id"])
        await gateway.say("applied", id=made["id"], active=TWO)
        now = (await wang.get(URL)).json()
        assert (now["config"]["state"], now["offers"][0]["state"]) == ("rolled_back", "rolled_back")
        assert now["config"]["active"] == ONE


async def test_an_offer_without_an_answer_is_made_again_with_each_session(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        gateway.desk.connected()
        await until(lambda: len(house.offered) == 2, every=0.005)
        assert house.offered[1] == house.offered[0]
        await gateway.say("refused", id=made["id"], why="stale")
        gateway.desk.connected()
        await gateway.say("refused", id=made["id"], why="stale: again")
        assert len(house.offered) == 2


async def test_the_text_behind_a_hash_is_kept(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        await gateway.say("confirmed", id=made["id"], active=TWO, yaml=OTHER)
        texts = [(await wang.get(f"{URL}/versions/{one}")).json()["yaml"] for one in (ONE, TWO)]
        assert texts == [TEXT, OTHER]
        await gateway.say("local", active=THREE, yaml="theirs", address=Address("elsewhere", "gw-z"))
        assert (await wang.get(f"{URL}/versions/{THREE}")).status_code == 404


async def test_what_no_broker_took_has_failed_and_says_so(house):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        house.broker_gone = True
        made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
        assert (made["state"], made["why"]) == ("failed", "not sent: nobody there")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ask(yaml=None), 422),
        (ask(of="f1"), 422),
        (ask(yaml=None, of="f1"), 404),
        (ask(base="sha256:1"), 422),
        (ask(health_minutes=0), 422),
        (ask(health_minutes=10_000), 422),
        (ask(yaml=""), 422),
        (ask(reason=""), 422),
        (ask(more=1), 422),
        (ask(yaml="x" * 300_000), 413),
    ],
)
async def test_bad_asks(house, body, status):
    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house) as gateway:
        await gateway.say("local")
        assert (await wang.post(f"{URL}/offers", json=body)).status_code == status
        assert house.offered == []
        assert (await wang.get("/api/v1/gateways/nobody/config")).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.GUARD, Role.BILLER])
async def test_only_for_engineers_and_admins(house, role):
    async with house.person(role) as other:
        for method, url in (("GET", URL), ("GET", f"{URL}/offers"), ("POST", f"{URL}/offers")):
            answer = await other.request(method, url, json=ask() if method == "POST" else None)
            assert answer.status_code == 403


async def test_hostile_words_change_nothing_and_are_acknowledged(house):
    async with house.person(Role.ADMIN) as admin, hearing(house) as gateway:
        await gateway.say("local", payload=b"{}")
        await gateway.say("local", payload=b"")
        await gateway.say("local", payload=b"x" * 2_000_000)
        assert (await admin.get(URL)).status_code == 409
        await gateway.say("local", why="\x1b[31mred\x00")
        assert "\x1b" not in (await admin.get(URL)).json()["config"]["why"]


async def test_a_word_that_comes_again_is_no_change_and_a_new_one_reaches_the_page(house):
    async with (
        house.person(Role.ENGINEER, "wang") as wang,
        hearing(house) as gateway,
        house.serving() as base,
    ):
        await gateway.say("local")
        q = (await wang.get(URL)).json()["config"]["q"]
        await gateway.say("local")
        assert (await wang.get(URL)).json()["config"]["q"] == q
        token = {"Authorization": f"Bearer {house.token(Role.ENGINEER)}"}
        async with Frames.open(base, "/api/v1/stream?topics=configs", token) as frames:
            await frames.until("live")
            made = (await wang.post(f"{URL}/offers", json=ask())).json()["offer"]
            seen = []
            while not seen or seen[-1]["newest"]["state"] != "sent":
                seen += (await frames.until("configs"))[-1]["data"]
            await gateway.say("applied", id=made["id"], active=TWO)
            news = seen  # what was sent may be told once more before
            while news[-1]["newest"]["state"] == "sent":
                news = (await frames.until("configs"))[-1]["data"]
            assert (news[0]["state"], news[0]["newest"]["state"]) == ("applied", "applied")
            assert news[0]["q"] > seen[-1]["q"]
            assert "yaml" not in msgspec.json.encode(news).decode()


async def test_a_draft_that_somebody_else_saved_meanwhile_is_not_overwritten(house):
    async with (
        house.person(Role.ENGINEER, "wang") as wang,
        house.person(Role.ADMIN, "ada") as ada,
        hearing(house) as gateway,
    ):
        await gateway.say("local")
        mine = {"base": ONE, "yaml": OTHER, "seen": ""}
        first = (await wang.put(f"{URL}/draft", json=mine)).json()["config"]["draft"]
        late = await ada.put(f"{URL}/draft", json=mine | {"yaml": TEXT + "# ada\n"})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "draft_taken")
        assert (await ada.get(URL)).json()["draft_yaml"] == OTHER
        house.pass_time(seconds=1)
        over = await ada.put(f"{URL}/draft", json=mine | {"yaml": TEXT + "# ada\n", "seen": first["at"]})
        assert over.json()["config"]["draft"]["by"] == "ada"
        assert (await wang.put(f"{URL}/draft", json=mine | {"seen": first["at"]})).status_code == 409
        await wang.delete(f"{URL}/draft")
        assert (await wang.put(f"{URL}/draft", json=mine)).status_code == 200, "a dropped draft is none"


async def test_a_text_is_checked_by_the_gateway_and_nothing_is_kept(house):
    problem = ConfigProblem(line=3, path="lines[0].tcp", text="write host:port")

    async def answers(address, offer):
        read_again = decode_offer(encode_config(offer))
        assert (read_again.check_only, read_again.v, read_again.site_yaml) == (True, CHECK_VERSION, OTHER)
        bad = Checked(id=offer.id, at=house.now, problems=(problem,))
        await gateway.say("local", checked=Checked(id="k0", at=house.now))
        await gateway.say("local", checked=Checked(id=offer.id, at=house.now), address=NEXT_DOOR)
        for _ in range(2):
            await gateway.say("local", checked=bad)

    async with house.person(Role.ENGINEER, "wang") as wang, hearing(house, answers) as gateway:
        await gateway.say("local")
        house.checks = gateway.desk.check
        found = (await wang.post(f"{URL}/check", json={"base": ONE, "yaml": OTHER})).json()
        CheckedText.model_validate(found)
        assert (found["ok"], found["why"]) == (False, "")
        assert found["problems"] == [{"line": 3, "path": "lines[0].tcp", "text": "write host:port"}]
        whole = (await wang.get(URL)).json()
        assert (whole["draft_yaml"], whole["offers"], whole["config"]["state"]) == (None, [], "local")
        assert house.offered == []


async def test_a_check_that_nobody_answers_says_what_to_do(house):
    async def silence(_address, _offer):
        return None

    async with (
        house.person(Role.ENGINEER, "wang") as wang,
        hearing(house, silence, checked_within_s=0.01) as gateway,
    ):
        await gateway.say("local")
        body = {"base": ONE, "yaml": OTHER}
        gone = await wang.post(f"{URL}/check", json=body)
        assert (gone.status_code, gone.json()["error"]["code"]) == (503, "no_broker")
        house.checks = gateway.desk.check
        late = await wang.post(f"{URL}/check", json=body)
        assert (late.status_code, late.json()["error"]["code"]) == (409, "not_checked")
        assert "what is applied is checked there first" in late.json()["error"]["message"]
        with pytest.raises(NotChecked, match="not answered"):
            await gateway.desk.check(ADDRESS, house_offer())


def house_offer():
    return msgspec.convert(
        {
            "id": "k1",
            "at": "2026-03-01T00:00:00Z",
            "by": "w",
            "base": ONE,
            "site_yaml": "",
            "check_only": True,
            "v": 2,
        },
        ConfigOffer,
    )
