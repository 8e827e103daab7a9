"""A wait that ends in vain says for what it was, and what lives beside a test fails it."""

import asyncio

import pytest

from tests.support.waiting import alongside, until


async def test_it_ends_with_what_it_waits_for():
    came = asyncio.Event()
    asyncio.get_running_loop().call_soon(came.set)
    await until(came.is_set)


@pytest.mark.parametrize(
    ("named", "said"), [("the bell", "not within 0.01 s: the bell"), ("", "until(lambda: 1 > 2, ")]
)
async def test_a_wait_in_vain_names_what_was_awaited(named, said):
    with pytest.raises(AssertionError) as failed:
        await until(lambda: 1 > 2, named, within=0.01)
    assert said in str(failed.value)


async def test_what_runs_alongside_ends_with_the_block_however_that_ends():
    async def runs():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    ended = []
    async with alongside(runs()):
        await asyncio.sleep(0)
    with pytest.raises(LookupError):
        async with alongside(runs()):
            await asyncio.sleep(0)
            raise LookupError
    assert ended == [True, True]


async def test_what_crashes_alongside_ends_the_block_with_its_error():
    async def crashes():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        async with alongside(crashes()):
            await asyncio.Event().wait()
