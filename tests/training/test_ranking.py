"""R@1 against a case worked by hand."""

import numpy as np
import pytest

from anyseek.training.ranking import recall_at_1

SIMILARITIES = np.array([[0.9, 0.1, 0.2], [0.3, 0.2, 0.1], [0.5, 0.5, 0.4], [0.0, 0.1, 0.2]])


def test_recall_at_1_by_hand() -> None:
    """The first is right, the second wrong, the third a tie that the earlier document wins, the last one of two."""
    relevant = [{0}, {1}, {1, 2}, {1, 2}]
    assert recall_at_1(SIMILARITIES, relevant) == 0.5
    assert recall_at_1(SIMILARITIES, [{0}] * 4) == 0.75
    assert recall_at_1(SIMILARITIES, [()] * 4) == 0.0


def test_every_query_needs_its_answers() -> None:
    with pytest.raises(ValueError, match="zip"):
        recall_at_1(SIMILARITIES, [{0}])
