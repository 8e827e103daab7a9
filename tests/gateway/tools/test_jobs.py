"""Jobs on a line of cameras: a picture comes while somebody looks on, and two that are alone wait for each other."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.site.config import load_site
from gateway.tools.jobs import Job, JobRefused, Jobs
from messages.tool_room import MOST_PICTURES, MOST_TOOLS
from messages.tools import SaidKind
from messages.types import ClockState
from tests.support.camera import line, server
from tests.support.gateway import START
from tests.support.sitefile import site_at
from tests.support.toylisten import listening
from tests.support.waiting import until

SITE = "site: s\ngateway: gw\nbroker: {url: 'mqtt://127.0.0.1:1883', username: gw, password_file: secrets/gw-a}\n"


class Standing:
    """A gateway that does nothing else."""

    def clock_state(self) -> ClockState:
        return ClockState.SYNCED

    def delivery(self) -> Mapping[str, Any]:
        lane = {"first": 1, "next": 1, "waiting": 0}
        return {"connected": True, "epoch": "e", "rejected": 0, "lanes": {"alarm": lane}}

    def cut(self, seconds: float) -> None:
        raise AssertionError


class Words:
    """What each job has said."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.ends = jobs, dict[str, SaidKind]()
        self.number = 0

    def begin(self, tool: str, seconds: float = 60.0, **args: Any) -> Job:
        self.number += 1
        name = f"j{self.number}"

        def say(kind: SaidKind, _body: Mapping[str, Any]) -> None:
            if kind.final:
                self.ends[name] = kind

        return self.jobs.begin(name, tool, "fire", args, seconds, say)


async def test_a_picture_comes_while_others_look_on_and_there_is_a_bound(tmp_path):
    cam = server()
    site = load_site(site_at(tmp_path, SITE))
    async with cam.running(), listening(line(tmp_path, cam.port)) as heart:
        (ear,) = heart.listeners.lines
        await until(lambda: cam.pictures > 0)
        jobs = Jobs(
            lambda: site,
            lambda _line: None,
            Standing(),
            lambda: START,
            asyncio.get_running_loop().time,
            listens=lambda name: ear if name == "fire" else None,
        )
        running = asyncio.create_task(jobs.run())
        await asyncio.sleep(0)
        words = Words(jobs)
        looking = [words.begin("trace", for_s=50) for _ in range(MOST_TOOLS - 1)]
        words.begin("certify", engineer="Lee", wait_s=50)
        with pytest.raises(JobRefused, match="a certify is at work on line fire"):
            words.begin("certify", engineer="Li", wait_s=50)
        with pytest.raises(JobRefused, match="4 tools are at work here"):
            words.begin("watch", for_s=50)
        pictures = [words.begin("snapshot", device="cam-1") for _ in range(MOST_PICTURES)]
        with pytest.raises(JobRefused, match="4 pictures are on their way here"):
            words.begin("snapshot", device="cam-1")
        await until(lambda: all(one.id in words.ends for one in pictures))
        assert {words.ends[one.id] for one in pictures} == {SaidKind.DONE}
        assert set(looking) <= set(jobs.at_work)
        jobs.stop()
        await running
        assert jobs.at_work == []
