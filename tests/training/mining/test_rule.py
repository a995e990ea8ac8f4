"""The rule on similarities that are written down: each condition beside a case that is only right with it."""

import pytest

from anyseek.errors import ConfigError
from anyseek.training.mining import Bounds, Hit, Preference, prefer, refine

HITS = tuple(
    Hit(name, score, rank) for rank, (name, score) in enumerate([("a", 0.9), ("b", 0.7), ("c", 0.5), ("d", 0.3)], 1)
)


def names(hits: object) -> list[str]:
    return [hit.document for hit in hits]


def test_positives_above_t_plus_are_refined() -> None:
    found = refine(HITS, {"b", "d"}, Bounds(positive=0.4))
    assert names(found.positives) == ["b"]  # d is a positive below t+
    assert found.bound == pytest.approx(0.7)  # of the refined ones; with d it would be 0.5
    assert names(found.negatives) == ["c"]  # d is below the bound, and a positive all the same
    assert names(found.suspects) == ["a"]


def test_a_positive_at_t_plus_is_not_above_it() -> None:
    assert refine(HITS, {"b"}, Bounds(positive=0.7)).reason == "no positive above t+"
    assert refine(HITS, {"b"}, Bounds(positive=0.69)).reason is None


def test_a_query_whose_positives_are_all_too_low_is_left_out() -> None:
    found = refine(HITS, {"c", "d"}, Bounds(positive=0.6))
    assert (found.reason, found.positives, found.negatives, found.suspects) == ("no positive above t+", (), (), ())


def test_a_query_whose_positives_are_not_recalled_is_left_out() -> None:
    found = refine(HITS[:2], {"c"}, Bounds(positive=0.4))
    assert (found.reason, found.negatives) == ("no positive among the 2 recalled", ())


def test_negatives_are_below_the_mean_of_positives_plus_delta() -> None:
    hits = [Hit("p", 0.9, 1), Hit("n1", 0.85, 2), Hit("r", 0.7, 3), Hit("n2", 0.8, 4), Hit("n3", 0.7, 5)]
    found = refine(hits, {"p", "r"}, Bounds(positive=0.5))
    assert found.bound == pytest.approx(0.8)  # the mean: neither the best (0.9) nor the worst (0.7)
    assert names(found.negatives) == ["n3"]
    assert names(found.suspects) == ["n1", "n2"]  # at the bound is not below it
    assert names(refine(hits, {"p", "r"}, Bounds(positive=0.5, margin=0.06)).negatives) == ["n1", "n2", "n3"]
    assert names(refine(hits, {"p", "r"}, Bounds(positive=0.5, margin=-0.11)).negatives) == []


def test_equals_of_a_positive_are_neither_negatives_nor_suspects() -> None:
    found = refine(HITS, {"b"}, Bounds(positive=0.4), {"a", "c"})
    assert (names(found.negatives), names(found.suspects)) == (["d"], [])


@pytest.mark.parametrize("wrong", [{"positive": 1.5}, {"margin": 3}, {"positive": float("nan")}])
def test_bounds_are_cosines(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="between"):
        Bounds(**wrong)


def test_a_window_of_ranks() -> None:
    assert names(prefer(HITS, "q", Preference(first=2, last=3))) == ["b", "c"]
    assert names(prefer(HITS[1:], "q", Preference(first=3))) == ["c", "d"]  # ranks of the recall, not of what is left
    for wrong in ({"first": 3, "last": 2}, {"first": 0}, {"most": -1}, {"seed": -1}):
        with pytest.raises(ConfigError):
            Preference(**wrong)


def test_a_sample_hangs_on_seed_and_query_alone() -> None:
    many = [Hit(str(rank), 1 - rank / 100, rank) for rank in range(1, 40)]
    drawn = names(prefer(many, "q", Preference(sampled=True, first=5, last=30)))
    assert sorted(map(int, drawn)) == list(range(5, 31)) and drawn != sorted(drawn, key=int)
    assert drawn == names(prefer(many, "q", Preference(sampled=True, first=5, last=30)))
    assert drawn != names(prefer(many, "r", Preference(sampled=True, first=5, last=30)))
    assert drawn != names(prefer(many, "q", Preference(sampled=True, first=5, last=30, seed=1)))
    assert names(prefer(many, "q", Preference())) == names(many)
