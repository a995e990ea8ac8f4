"""The judge: what it sees, that it finds planted weights, where it cuts, and how it is kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import CheckpointError, ConfigError
from anyseek.index import Thing
from anyseek.items import Image, Item, Text
from anyseek.model.hub import OWN_FILE
from anyseek.search import Fusion, Judge
from anyseek.search.answers import Asked, Candidate
from anyseek.search.judge import NAMES, choose_cut, features, fit_weights, worth


def candidate(similarity: float, kind: str = "image", text: str | None = None, **more: float) -> Candidate:
    return Candidate(thing=Thing(hash="a", part=0, kind=kind, text=text), similarity=similarity, **more)


def asked(*parts: Text | Image) -> Asked:
    return Asked(item=Item(parts), vector=np.ones(1, np.float32), unlike=np.zeros((0, 1), np.float32))


def test_what_the_judge_sees() -> None:
    crowd = [candidate(0.3 - 0.002 * n) for n in range(30)]
    best = candidate(0.8, "text", "The red apple", words=np.e - 1)
    seen = dict(zip(NAMES, features([best, *crowd], asked(Text("a red pear")), None).T, strict=True))
    assert seen["similarity"][0] == 0.8
    assert seen["stands_out"][0] > 5 > seen["stands_out"][1] > 0 > seen["stands_out"][-1]
    assert seen["behind"][:2].tolist() == pytest.approx([0, -0.5])
    assert seen["coverage"][:2].tolist() == pytest.approx([1 / 3, 0])
    assert seen["words"][0] == pytest.approx(1)
    assert (seen["text"][0], seen["page"][0], seen["text"][1], seen["shows"][0]) == (1, 0, 0, 0)
    assert features([best], asked(Image("a.png")), None)[0, NAMES.index("shows")] == 1


def test_a_query_whose_scores_all_lie_higher_stands_out_no_more() -> None:
    low = [candidate(0.1 + 0.01 * n) for n in range(20)]
    high = [candidate(0.6 + 0.01 * n) for n in range(20)]
    place = NAMES.index("stands_out")
    assert features(low, asked(), None)[:, place] == pytest.approx(features(high, asked(), None)[:, place])


def test_the_reranker_s_opinion_comes_last() -> None:
    read, unread = candidate(0.5, log_odds=2.0), candidate(0.4)
    seen = features([read, unread], asked(), Fusion(bias=1.0, log_odds=0.5, similarity=2.0))
    assert seen.shape == (2, len(NAMES) + 1)
    assert seen[0, -1] == pytest.approx(1 + 1 + 1)
    assert np.isnan(seen[1, -1])


def test_planted_weights_are_found() -> None:
    rng = np.random.default_rng(0)
    seen = np.column_stack([np.ones(20_000), rng.normal(3, 2, 20_000), rng.normal(0, 1, 20_000)])
    planted = np.array([-2.0, 0.7, 1.5])
    labels = rng.random(20_000) < 1 / (1 + np.exp(-seen @ planted))
    assert fit_weights(seen, labels, np.ones(20_000)) == pytest.approx(planted, abs=0.2)
    heavy = fit_weights(seen, labels, np.where(labels, 3.0, 1.0))
    assert heavy[0] == pytest.approx(planted[0] + np.log(3), abs=0.25)
    with pytest.raises(ConfigError, match="of both kinds"):
        fit_weights(seen, np.ones(20_000), np.ones(20_000))


def test_the_cut_shows_answers_and_hides_the_rest() -> None:
    answered = (np.array([0.9, 0.6, 0.2]), np.array([1, 0, 0]), 1)
    empty = (np.array([0.7, 0.1]), np.array([0, 0]), 0)
    assert 0.7 < choose_cut([answered, empty]) <= 0.9
    assert worth([answered, empty], 0.8) == 1
    assert worth([answered, empty], 0.65) == 0.5  # the right one, and something for the query without an answer
    assert worth([answered], 0.5) == pytest.approx(2 / 3)


def test_it_lies_beside_a_model_and_serves_these_weights_only(tmp_path: Path) -> None:
    judge = Judge(numbers=tuple(0.5 * n for n in range(len(NAMES))), cut=0.4, embedder="abc")
    (tmp_path / OWN_FILE).write_text(json.dumps({"limits": {"max_frames": 16}}), encoding="utf-8")
    judge.write(tmp_path)
    assert json.loads((tmp_path / OWN_FILE).read_text())["limits"] == {"max_frames": 16}
    assert Judge.beside(tmp_path, "abc") == judge
    assert Judge.beside(tmp_path, "other") is None
    assert Judge.beside(tmp_path, "abc", "reranker") is None
    assert Judge.beside(tmp_path / "none", "abc") is None
    assert Judge.beside(None, "abc") is None


@pytest.mark.parametrize(
    "held", ['{"judge": {"cut": 1}}', '{"judge": {"numbers": [1], "cut": 1, "embedder": "a"}}', "["]
)
def test_a_broken_one_is_told(tmp_path: Path, held: str) -> None:
    (tmp_path / OWN_FILE).write_text(held, encoding="utf-8")
    with pytest.raises(CheckpointError, match="'judge' is wrong"):
        Judge.beside(tmp_path, "a")
