"""A wait that ends in vain says for what it was."""

import asyncio

import pytest

from tests.support.waiting import until


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
