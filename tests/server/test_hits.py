"""Hits are told by files that fit the filter."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL.Image

from anyseek.index import Filter
from anyseek.search import Library
from anyseek.server.hits import hits_of
from tests.search import conftest

library, seen, weights = conftest.library, conftest.seen, conftest.weights


def test_only_copies_that_fit_the_filter_are_told(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "years"
    for year in ("2024", "2025"):
        (root / year).mkdir(parents=True)
        PIL.Image.new("RGB", (40, 30), "red").save(root / year / "pear.png")
    library.index([root])
    shelf: Any = SimpleNamespace(library=library, name_of=lambda root: "years")
    for where, expected in ((None, ["2024/pear.png", "2025/pear.png"]), (Filter(under="2025"), ["2025/pear.png"])):
        (hit,) = hits_of(library.search("pear", where=where).hits, shelf, "pear", judged=False, where=where)
        assert [hit["path"], *(copy["path"] for copy in hit["copies"])] == expected
