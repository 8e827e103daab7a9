"""A life beside a test: its failures are the test's."""

import threading

import pytest

from tests.support.threads import beside


async def lives(ready, done):
    ready()
    await done.wait()


async def fails_at_once(ready, done):
    raise OSError("the port is taken")


async def fails_later(ready, done):
    await lives(ready, done)
    raise OSError("the disk is full")


def test_it_lives_while_the_block_lasts():
    before = threading.active_count()
    with beside(lives):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_what_it_fails_with_before_it_is_ready_is_raised_and_the_block_left_out():
    with pytest.raises(OSError, match="taken"), beside(fails_at_once):
        raise AssertionError


def test_what_it_fails_with_is_raised_over_what_came_of_it():
    with pytest.raises(OSError, match="full") as failed, beside(fails_later):
        raise LookupError("nobody said so")
    assert isinstance(failed.value.__context__, LookupError)


def test_a_block_that_fails_ends_it_too():
    before = threading.active_count()
    with pytest.raises(LookupError), beside(lives):
        raise LookupError
    assert threading.active_count() == before
