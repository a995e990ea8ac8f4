"""The queue: portions, fairness, budgets, what is decoded ahead, and what leaves when nobody waits."""

import random
import threading
from concurrent.futures import Future
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from anyseek.batch import Sample
from anyseek.engine.compute import Row
from anyseek.server.planning import Planned, costs
from anyseek.server.queue import Closed, Full, Portion, TokenQueue, Work, portions

WIDTH = 4
NOBODY: Any = SimpleNamespace(decode=lambda _: None)
"""In place of a processor: the tests decode themselves."""


def row(ids: list[int], shown: tuple[tuple[bytes, int, int], ...] = (), head: int = 0) -> Planned:
    """A row of these tokens; `shown` is identity, number of tokens and where they begin."""
    index = [torch.arange(start, start + tokens) for _, tokens, start in shown]
    sample = Sample(
        token_ids=torch.tensor(ids),
        position_ids=torch.zeros(3, len(ids), dtype=torch.int64),
        patches=torch.empty(0, 1536, dtype=torch.uint8),
        grids=torch.empty(0, 3, dtype=torch.int64),
        visual_index=torch.cat(index) if index else torch.empty(0, dtype=torch.int64),
    )
    visuals = tuple((identity, tokens) for identity, tokens, _ in shown)
    shown = tuple((one, object(), "input") for one, _ in visuals)
    return Planned(Row(sample, head, visuals), shown, {}, NOBODY)


def text(length: int, seed: int = 0) -> Planned:
    """A row that shares nothing with others."""
    return row([1000 * seed + number for number in range(length)])


class Decoder:
    """Futures that the test completes itself."""

    def __init__(self) -> None:
        self.begun: dict[bytes, list[Future[Any]]] = {}
        self.known: set[bytes] = set()

    def __call__(self, kind: str, identity: bytes, decode: Any) -> "Future[Any] | None":
        if identity in self.known:
            return None
        self.begun.setdefault(identity, []).append(Future())
        return self.begun[identity][-1]

    def finish(self, identity: bytes) -> None:
        for future in self.begun[identity]:
            if not future.done():
                future.set_result(torch.zeros(1))


def queue(most: int = 10_000, ahead: int = 1000, decoder: Decoder | None = None) -> TokenQueue:
    return TokenQueue(most, ahead, decoder or Decoder())


def cut(*rows: Planned, most: int = 100, kind: str = "embedding") -> list[Portion]:
    return portions(kind, rows, WIDTH, most)


def everything(waiting: TokenQueue, budget: int) -> list[list[Portion]]:
    waiting.close()
    batches = []
    while taken := waiting.take(lambda kind: budget):
        batches.append(taken)
    return batches


# costs and portions


def test_what_rows_share_costs_once() -> None:
    query = list(range(200))
    pairs = [row([*query, *range(1000 * n, 1000 * n + 10)], head=20) for n in range(1, 4)]
    assert costs(pairs) == [190, 10, 10]
    assert costs([text(50, 1), text(50, 2)]) == [50, 50]


def test_a_picture_costs_once_and_different_pictures_are_not_shared() -> None:
    ids = [7] * 150
    same = [row(ids, ((b"a", 100, 10),)), row(ids, ((b"a", 100, 10),))]
    assert costs(same) == [250, 1]  # all but one token are the same
    different = [row(ids, ((b"a", 100, 10),)), row(ids, ((b"b", 100, 10),))]
    assert costs(different) == [250, 250]  # equal placeholders, other pixels: no more than 10 tokens are shared


def test_a_request_is_cut_into_portions_in_its_order() -> None:
    found = cut(*(text(40, seed) for seed in range(5)), text(300, 9), text(40, 10))
    assert [(portion.first, len(portion.rows), portion.cost) for portion in found] == [
        (0, 2, 80),
        (2, 2, 80),
        (4, 1, 40),
        (5, 1, 300),
        (6, 1, 40),
    ]
    assert len({id(portion.work) for portion in found}) == 1


def test_results_come_back_whole_and_in_order() -> None:
    found = cut(*(text(60, seed) for seed in range(3)))
    work = found[0].work
    for portion in reversed(found):
        rows = list(range(portion.first, portion.first + len(portion.rows)))
        work.put(rows, torch.tensor([[float(number)] * WIDTH for number in rows]))
    assert work.done.result(0)[:, 0].tolist() == [0, 1, 2]


# order


def test_a_short_request_passes_a_long_one() -> None:
    waiting = queue()
    long = cut(*(text(100, seed) for seed in range(8)))
    waiting.put(long)
    first = waiting.take(lambda kind: 100)
    short = cut(text(20, 50))
    waiting.put(short)
    assert first == [long[0]]
    assert waiting.take(lambda kind: 100)[0] is short[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [300, 1500])
def test_what_fills_a_batch_does_not_hold_up_newcomers(seed: int, size: int) -> None:
    """A small late portion of a long request takes the room that is left; who comes then waits two batches at most."""
    drawn = random.Random(seed)
    waiting = queue(most=1_000_000)
    waiting.put(cut(*(text(drawn.randint(100, 700), number) for number in range(400)), most=2048))
    waiting.take(lambda kind: 8192)
    short = cut(text(size, 9999), most=2048)
    waiting.put(short)
    assert short[0] in [*waiting.take(lambda kind: 8192), *waiting.take(lambda kind: 8192)]


def test_a_long_request_is_not_starved_by_short_ones() -> None:
    waiting = queue()
    long = cut(*(text(100, seed) for seed in range(3)))
    waiting.put(long)
    taken: list[Portion] = []
    for seed in range(100):
        waiting.put(cut(text(20, 100 + seed)))
        taken += waiting.take(lambda kind: 20)
        if long[0] in taken:
            break
    assert long[0] in taken
    assert len(taken) <= 100 // 20 + 2  # its share: as much as went by while it waited


def test_two_long_requests_take_turns() -> None:
    waiting = queue()
    one, other = (cut(*(text(100, base + seed) for seed in range(4))) for base in (0, 10))
    waiting.put(one)
    waiting.put(other)
    order = [batch[0] for batch in everything(waiting, 100)]
    assert [portion.work is one[0].work for portion in order] == [True, False] * 4


def test_a_batch_joins_requests_of_one_kind_under_its_budget() -> None:
    waiting = queue()
    for seed in range(6):
        waiting.put(cut(text(40, seed), kind="embedding" if seed % 2 == 0 else "reranking"))
    batches = everything(waiting, 100)
    assert [[portion.work.model for portion in batch] for batch in batches] == [
        ["embedding"] * 2,
        ["reranking"] * 2,
        ["embedding"],
        ["reranking"],
    ]


def test_a_portion_over_the_budget_stands_alone() -> None:
    waiting = queue()
    waiting.put(cut(text(500)))
    waiting.put(cut(text(500, 1)))
    assert [len(batch) for batch in everything(waiting, 100)] == [1, 1]


# bounds and ends


def test_a_full_queue_takes_nothing_of_a_request() -> None:
    waiting = queue(most=100)
    waiting.put(cut(text(60)))
    with pytest.raises(Full):
        waiting.put(cut(text(30, 1), text(30, 2), most=30))
    assert (waiting.tokens, len(waiting)) == (60, 1)
    waiting.put(cut(text(40, 3)))
    assert waiting.tokens == 100


def test_a_request_over_the_bound_is_taken_when_it_is_the_only_one() -> None:
    waiting = queue(most=100)
    waiting.put(cut(text(300)))
    assert waiting.tokens == 300


def test_closed_means_nothing_new_but_all_that_was_taken() -> None:
    waiting = queue()
    waiting.put(cut(text(10)))
    waiting.close()
    with pytest.raises(Closed):
        waiting.put(cut(text(10, 1)))
    assert len(waiting.take(lambda kind: 100)) == 1
    assert waiting.take(lambda kind: 100) == []


def test_cancelled_requests_leave_at_once() -> None:
    waiting = queue()
    done = waiting.put(cut(*(text(100, seed) for seed in range(4))))
    other = cut(text(10, 9))
    waiting.put(other)
    assert done.cancel()
    assert (waiting.tokens, len(waiting)) == (10, 1)
    assert everything(waiting, 100) == [other]


def test_the_rest_of_a_failed_request_is_not_computed() -> None:
    waiting = queue()
    found = cut(*(text(100, seed) for seed in range(4)))
    done = waiting.put(found)
    waiting.take(lambda kind: 100)
    found[0].work.fail(ValueError("bad"))
    assert len(waiting) == 0
    with pytest.raises(ValueError, match="bad"):
        done.result(0)


def test_a_queue_that_fails_ends_all_that_waits_and_was_taken() -> None:
    waiting = queue()
    taken, *others = (cut(text(40, seed)) for seed in range(3))
    for portion in (taken, *others):
        waiting.put(portion)
    waiting.take(lambda kind: 40)
    waiting.fail(ValueError("lost"), taken)
    for portion in (taken, *others):
        with pytest.raises(ValueError, match="lost"):
            portion[0].work.done.result(0)
    assert (len(waiting), waiting.tokens) == (0, 0)
    with pytest.raises(Closed):
        waiting.put(cut(text(10, 9)))


def test_what_is_taken_is_not_lost_when_the_next_cannot_be_decoded() -> None:
    def decode(kind: str, identity: bytes, decode: Any) -> "Future[Any]":
        if identity == b"b":
            raise RuntimeError("can't start new thread")
        return done

    done: Future[Any] = Future()
    waiting = TokenQueue(10_000, 100, decode)
    first = waiting.put(cut(shown(b"a")))
    with suppress(RuntimeError):
        waiting.put(cut(shown(b"b")))
    done.set_result(torch.zeros(1))
    with pytest.raises(RuntimeError, match="new thread"):
        waiting.take(lambda kind: 100)
    waiting.fail(ValueError("lost"), [])
    with pytest.raises(ValueError, match="lost"):
        first.result(0)


def test_two_devices_may_fail_a_request_at_once() -> None:
    meeting = threading.Barrier(2)

    class Slow(Future[Any]):
        def done(self) -> bool:
            found = super().done()
            with suppress(threading.BrokenBarrierError):
                meeting.wait(0.5)
            return found

    work, wrong = Work("embedding", torch.empty(2, WIDTH), 2, Slow()), list[Exception]()

    def fail() -> None:
        try:
            work.fail(ValueError("bad"))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=fail) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not wrong
    with pytest.raises(ValueError, match="bad"):
        work.done.result(0)


def test_take_waits_for_something() -> None:
    waiting, found = queue(), []
    thread = threading.Thread(target=lambda: found.extend(waiting.take(lambda kind: 100)))
    thread.start()
    waiting.put(cut(text(10)))
    thread.join(20)
    assert len(found) == 1


# decoding


def shown(name: bytes, tokens: int = 50) -> Planned:
    return row([7] * (tokens + 10), ((name, tokens, 5),))


def test_what_is_not_decoded_yet_lets_others_pass() -> None:
    decoder = Decoder()
    waiting = queue(decoder=decoder)
    picture, words = cut(shown(b"a")), cut(text(500, 1))
    waiting.put(picture)
    waiting.put(words)
    assert waiting.take(lambda kind: 1000) == words
    decoder.finish(b"a")
    assert waiting.take(lambda kind: 1000) == picture


def test_only_what_comes_next_is_decoded() -> None:
    decoder = Decoder()
    waiting = queue(ahead=150, decoder=decoder)
    for name in (b"a", b"b", b"c"):
        waiting.put(cut(shown(name)))  # each costs 110
    assert set(decoder.begun) == {b"a", b"b"}
    decoder.finish(b"a")
    waiting.take(lambda kind: 100)
    assert set(decoder.begun) == {b"a", b"b", b"c"}


def test_a_picture_of_a_request_is_decoded_once_and_a_known_one_not_at_all() -> None:
    decoder = Decoder()
    decoder.known = {b"known"}
    waiting = queue(decoder=decoder)
    found = cut(shown(b"a"), shown(b"b"), shown(b"a"), shown(b"known"), most=120)
    waiting.put(found)
    assert {name: len(futures) for name, futures in decoder.begun.items()} == {b"a": 1, b"b": 1}
    assert found[-1].is_ready or b"a" in found[-1].pixels


def test_decoding_for_nobody_is_cancelled() -> None:
    decoder = Decoder()
    waiting = queue(decoder=decoder)
    done = waiting.put(cut(shown(b"a")))
    done.cancel()
    assert decoder.begun[b"a"][0].cancelled()
