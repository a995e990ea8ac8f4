"""Metrics against cases worked by hand and against simulation."""

import math
import random

import pytest

from anyseek.evaluation import hit_rate, ndcg, random_hit_rate, random_ndcg, spearman


def test_by_hand() -> None:
    """Two relevant documents at places 1 and 3."""
    ranking, relevant = [7, 1, 5, 2], {7, 5}
    assert hit_rate(ranking, relevant) == 1.0
    assert hit_rate(ranking, {1}) == 0.0
    assert hit_rate(ranking, {1}, k=2) == 1.0
    assert ndcg(ranking, relevant) == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))
    assert ndcg([1, 2], {9}) == 0.0


def test_ideal_is_one_however_many_are_relevant() -> None:
    """The best order scores 1, with more relevant documents than places too."""
    assert ndcg(range(30), set(range(20))) == pytest.approx(1.0)


@pytest.mark.parametrize(("documents", "relevant"), [(12, 1), (40, 3), (15, 12)])
def test_random_baselines_match_simulation(documents: int, relevant: int) -> None:
    """20,000 shuffles agree with the closed forms to their noise (three standard errors are below 0.011)."""
    rng, answers, order = random.Random(0), set(range(relevant)), list(range(documents))
    hits, gains = 0.0, 0.0
    for _ in range(20_000):
        rng.shuffle(order)
        hits += hit_rate(order, answers)
        gains += ndcg(order, answers)
    assert hits / 20_000 == pytest.approx(random_hit_rate(documents, relevant), abs=0.011)
    assert gains / 20_000 == pytest.approx(random_ndcg(documents, relevant), abs=0.011)


def test_grades_by_hand() -> None:
    """Grades 2 and 1 at places 2 and 1; the best order has them the other way round."""
    grades = {4: 2.0, 8: 1.0}
    assert ndcg([8, 4], grades) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert ndcg([4, 8], grades) == pytest.approx(1.0)
    assert ndcg([8, 4], set(grades)) == ndcg([8, 4], dict.fromkeys(grades, 1.0)) == pytest.approx(1.0)


def test_random_baseline_of_grades_matches_simulation() -> None:
    """20,000 shuffles agree with the closed form to their noise (three standard errors are below 0.011)."""
    rng, grades, order = random.Random(1), {0: 3.0, 1: 1.0, 2: 0.5}, list(range(14))
    gains = 0.0
    for _ in range(20_000):
        rng.shuffle(order)
        gains += ndcg(order, grades, 5)
    assert gains / 20_000 == pytest.approx(random_ndcg(14, grades.values(), 5), abs=0.011)


def test_random_hits_of_fewer_documents_than_places() -> None:
    assert random_hit_rate(3, 1, k=10) == 1.0


def test_spearman_by_hand() -> None:
    assert spearman([1, 2, 3], [10, 20, 21]) == pytest.approx(1.0)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))  # ties share a rank
    assert spearman([5, 5, 5], [1, 2, 3]) == 0.0
