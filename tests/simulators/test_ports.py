"""Ports that are held for somebody else."""

import socket
from random import Random

import pytest

from simulators import ports
from simulators.ports import HeldPorts


def bind(port: int) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", port))
        one.listen()


def test_a_port_is_held_until_it_is_released_and_never_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LAST", ports.FIRST + 500)
    first, second = HeldPorts(Random(1)), HeldPorts(Random(1))
    given = [each.take() for each in (first, second) for _ in range(20)]
    try:
        assert len(set(given)) == 40
        for port in given:
            with pytest.raises(OSError, match="in use"):
                bind(port)
    finally:
        first.release()
        second.release()
    bind(given[0])
    bind(given[-1])


def test_where_there_is_none_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LAST", ports.FIRST + 1)
    held = HeldPorts()
    try:
        taken = held.take()
        held.release()
        assert taken == ports.FIRST
        with pytest.raises(OSError, match="no free port"):
            held.take()
    finally:
        held.release()


def test_two_demos_choose_by_chance_and_not_by_a_seed() -> None:
    chosen = []
    for _ in range(3):
        held = HeldPorts()
        chosen.append([held.take() for _ in range(4)])
        held.release()
    assert len({tuple(each) for each in chosen}) > 1
