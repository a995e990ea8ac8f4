"""Threads that work for many requests in turn: who waits for whom, errors by their number, and who leaves."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anyseek.server.faults import Fault
from anyseek.server.turns import Turns
from tests.server.conftest import WAIT, Gated, until

Make = Callable[[], list[Callable[[], Any]]]


@pytest.fixture
def one() -> Iterator[Turns]:
    """A single thread."""
    turns = Turns(1, "test")
    yield turns
    turns.shutdown()


@pytest.fixture
def three() -> Iterator[Turns]:
    turns = Turns(3, "test")
    yield turns
    turns.shutdown()


def saying(said: list[str], word: str, count: int) -> Make:
    """A request of so many calls, each of which says a word."""
    return lambda: [lambda: said.append(word)] * count


def test_requests_take_turns(one: Turns) -> None:
    said: list[str] = []
    slow = Gated()

    async def ask() -> None:
        first = asyncio.ensure_future(one.run(lambda: [slow]))
        await asyncio.to_thread(slow.begun.wait, WAIT)
        others = [one.run(saying(said, word, count)) for word, count in (("a", 50), ("b", 3), ("c", 1))]
        waiting = asyncio.gather(*others)
        await asyncio.to_thread(until, lambda: len(one._waiting) == 3)
        slow.gate.set()
        await asyncio.gather(first, waiting)

    asyncio.run(ask())
    assert "".join(said) == "abcabab" + "a" * 47


def test_a_request_leaves_a_thread_for_others(three: Turns) -> None:
    """Its calls may wait for slow addresses."""
    gate, begun = threading.Event(), list[int]()

    def wait() -> bool:
        begun.append(1)
        return gate.wait(WAIT)

    async def ask() -> list[int]:
        slow = asyncio.ensure_future(three.run(lambda: [wait] * 20))
        await asyncio.to_thread(until, lambda: len(begun) == 2)
        try:
            return await asyncio.wait_for(three.run(lambda: [lambda: 1, lambda: 2]), WAIT)
        finally:
            gate.set()
            assert await slow == [True] * 20

    assert asyncio.run(ask()) == [1, 2]


def test_a_request_has_the_other_threads(three: Turns) -> None:
    together = threading.Barrier(2)
    assert sorted(asyncio.run(three.run(lambda: [lambda: together.wait(WAIT)] * 10))) == [0] * 5 + [1] * 5


def test_results_in_order_and_the_first_error(three: Turns) -> None:
    def fail(number: int) -> int:
        if number == 3:
            assert fourth.wait(WAIT)
        elif number == 4:
            fourth.set()
        if number in (3, 4):
            raise ValueError(f"number {number}")
        made.append(number)
        return number

    made, fourth = list[int](), threading.Event()
    assert asyncio.run(three.run(lambda: [lambda n=n: fail(n) for n in (7, 6, 5)])) == [7, 6, 5]
    assert asyncio.run(three.run(lambda: [])) == []
    made.clear()
    with pytest.raises(ValueError, match="number 3"):
        asyncio.run(three.run(lambda: [lambda n=n: fail(n) for n in range(1000)]))
    assert sorted(made) == [0, 1, 2], "those behind it are not made"

    def make() -> list[Callable[[], int]]:
        raise ValueError("the query")

    with pytest.raises(ValueError, match="the query"):
        asyncio.run(three.run(make))


def test_who_leaves_is_not_worked_for(one: Turns) -> None:
    said: list[str] = []
    slow = Gated()

    async def ask() -> None:
        task = asyncio.ensure_future(one.run(lambda: [slow, *saying(said, "late", 5)()]))
        await asyncio.to_thread(slow.begun.wait, WAIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.gate.set()
        assert await one.run(lambda: [lambda: "next"]) == ["next"]

    asyncio.run(ask())
    assert said == []


def test_an_end(three: Turns) -> None:
    slow = Gated()

    async def ask() -> None:
        task = asyncio.ensure_future(three.run(lambda: [slow] * 9))
        await asyncio.to_thread(slow.begun.wait, WAIT)
        three.shutdown(wait=False)
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(Fault, match="shutting down"):
            await three.run(lambda: [])

    asyncio.run(ask())
    assert any(thread.is_alive() for thread in three._threads)
    slow.gate.set()
    three.shutdown()
    assert not any(thread.is_alive() for thread in three._threads)
