"""The pulled cable: what is numbered while the server cannot be reached must be stored, to the last number, after."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.tools.work import Running, Work
from messages.tool_args import CertifyArgs

PULL_WITHIN_S = 180.0
PLUG_WITHIN_S = 600.0
STORED_WITHIN_S = 180.0
LOOK_S = 0.2
MARGIN_S = 0.5

Tell = Callable[[str], None]


class _Over(Exception):
    """The test cannot go on; the text says why."""


async def pulled(
    work: Work, gateway: Running, args: CertifyArgs, tell: Tell, meanwhile: str = ""
) -> dict[str, Any]:
    """Cut the uplink, or have it pulled; say what became of every number that was given meanwhile.

    `meanwhile` is what somebody has to do while it is out.
    """
    result: dict[str, Any] = {
        "check": "cable",
        "pass": False,
        "planned": "nothing lost",
        "found": "",
        "why": "",
    }
    test = _Test(work, gateway, args, tell, meanwhile)
    try:
        await test.run()
    except _Over as err:
        return result | {"found": test.found, "why": str(err)}
    return result | {"pass": True, "found": test.found}


class _Test:
    def __init__(
        self, work: Work, gateway: Running, args: CertifyArgs, tell: Tell, meanwhile: str = ""
    ) -> None:
        self.work, self.gateway, self.args, self.tell = work, gateway, args, tell
        self.meanwhile = meanwhile
        self.found = ""

    async def run(self) -> None:
        before = await self._connected_now()
        if self.args.cable == "cut":
            self.gateway.cut(self.args.cut_s)
            await self._until("the uplink does not let go", PULL_WITHIN_S, lambda now: not now["connected"])
        else:
            self.tell(f"Pull the uplink's cable now / 请拔掉上行网线 ({PULL_WITHIN_S:.0f} s)")
            await self._until("nobody pulled the cable", PULL_WITHIN_S, lambda now: not now["connected"])
        cut = dict(self.gateway.delivery())
        self.tell(
            f"Cut off: waiting {self.args.cut_s} s / 已断开，请等待 {self.args.cut_s} s{self.meanwhile}"
        )
        await asyncio.sleep(self.args.cut_s - MARGIN_S)
        during = dict(self.gateway.delivery())
        self._kept(cut, during)
        if self.args.cable == "pull":
            self.tell("Plug it in again / 请重新插上网线")
        await self._until("the broker was not reached again", PLUG_WITHIN_S, lambda now: now["connected"])
        back = dict(self.gateway.delivery())
        numbered = {lane: _next(back, lane) for lane in back["lanes"]}
        began = self.work.monotonic()
        self.tell("Connected again: waiting for the server's receipt / 已重新连接，等待服务器确认")
        await self._until(
            "the server has not stored everything",
            STORED_WITHIN_S,
            lambda now: all(now["lanes"][lane]["first"] >= until for lane, until in numbered.items()),
        )
        took = self.work.monotonic() - began
        self._judge(before, during, numbered, took)

    async def _connected_now(self) -> Mapping[str, Any]:
        now = self.gateway.delivery()
        if not now["connected"]:
            raise _Over("there is no broker to begin with: mend the uplink first")
        return now

    async def _until(self, why: str, seconds: float, true: Callable[[Mapping[str, Any]], bool]) -> None:
        deadline = self.work.monotonic() + seconds
        while not true(self.gateway.delivery()):
            if self.work.monotonic() > deadline:
                raise _Over(f"{why} within {seconds:.0f} s")
            await asyncio.sleep(LOOK_S)

    def _kept(self, cut: Mapping[str, Any], during: Mapping[str, Any]) -> None:
        """Nothing is forgotten while nobody can have stored it."""
        if cut["epoch"] != during["epoch"]:
            raise _Over("the journal began a new epoch meanwhile: look at its disk, and test again")
        for lane, count in cut["lanes"].items():
            # What was stored just before the cut may still be forgotten; what was numbered after it may not.
            if during["lanes"][lane]["first"] > count["next"]:
                raise _Over(
                    f"the journal dropped batches of the lane {lane}: it is too small, or the disk is full"
                )

    def _judge(
        self, before: Mapping[str, Any], during: Mapping[str, Any], numbered: Mapping[str, int], took: float
    ) -> None:
        after = self.gateway.delivery()
        made = {lane: until - _next(before, lane) for lane, until in numbered.items()}
        waited = sum(count["waiting"] for count in during["lanes"].values())
        lanes = ", ".join(
            f"{lane} {_next(before, lane)} to {until - 1}" for lane, until in numbered.items() if made[lane]
        )
        self.found = (
            f"{sum(made.values())} batches numbered ({lanes}), {waited} waited, all stored {took:.1f} s after"
        )
        if after["epoch"] != before["epoch"]:
            raise _Over("the journal began a new epoch meanwhile: test again")
        if after["rejected"] != before["rejected"]:
            raise _Over(
                f"the server refused {after['rejected'] - before['rejected']} items: look into its quarantine"
            )
        if not waited:
            raise _Over("nothing was read while the cable was out: poll faster, or stay away longer (--cut)")
        self.found += "; lost 0"


def _next(delivery: Mapping[str, Any], lane: str) -> int:
    return int(delivery["lanes"][lane]["next"])
