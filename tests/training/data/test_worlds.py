"""The world as a dataset: exact relevance, near misses, media that decode, the same for the same seed."""

from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import ConfigError
from anyseek.items import Image, Text, Video
from anyseek.media import MediaOptions, load_image, probe_video
from anyseek.training.data import Dataset, WorldOptions, check, write_world
from anyseek.training.data.worlds import _drawn
from tests.folders import contents


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "small"
    write_world(folder, WorldOptions(size=16, seed=3))
    return folder


def test_relevance_is_exact(world: Path) -> None:
    options = WorldOptions(size=16, seed=3)
    drawn = _drawn(options)
    things = list(dict.fromkeys(thing for pair in drawn for thing in (pair.positive, *pair.negatives)))
    examples = list(Dataset.open(world).examples())
    assert len(examples) == 16
    for pair, example in zip(drawn, examples, strict=True):
        right = {f"d{number}" for number, thing in enumerate(things) if pair.query.matches(thing)}
        assert set(example.positives) == right
        assert example.negatives and not right & set(example.negatives)
        assert f"d{things.index(pair.positive)}" in example.positives


def test_media_decode(world: Path) -> None:
    assert check(world) == []
    data, options = Dataset.open(world), MediaOptions(urls=False)
    kinds = set()
    for _, item in [*data.items("corpus"), *data.items("queries")]:
        for part in item.parts:
            kinds.add(type(part))
            if isinstance(part, Image):
                assert min(load_image(part.source, options).size) > 16
            elif isinstance(part, Video):
                info = probe_video(part.source, options)
                assert info.frames >= 8 and info.rate == 8
    assert kinds == {Text, Image, Video}
    assert {path.suffix for path in world.rglob("media/*/*")} == {".png", ".jpg", ".mp4"}


def test_a_seed_gives_one_dataset(tmp_path: Path) -> None:
    def write(name: str, seed: int, **given: Any) -> dict[str, bytes]:
        write_world(tmp_path / name, WorldOptions(size=4, seed=seed, kinds=("scene", "note"), **given))
        return contents(tmp_path / name)

    first = write("a", 1)
    assert write("b", 1) == first
    assert write("c", 2)["queries.jsonl"] != first["queries.jsonl"]
    assert write("d", 1, split="composition")["queries.jsonl"] != first["queries.jsonl"]
    assert {name for name in write("e", 1, form="parquet") if name.endswith(".parquet")} == {
        "corpus.parquet",
        "queries.parquet",
        "relevance.parquet",
    }


def test_kinds_and_negatives_are_as_asked(tmp_path: Path) -> None:
    write_world(tmp_path / "a", WorldOptions(size=6, kinds=("note",), negatives=3))
    data = Dataset.open(tmp_path / "a")
    assert all(item.is_text for _, item in data.items("corpus"))
    assert all(1 <= len(example.negatives) <= 3 for example in data.examples())
    write_world(tmp_path / "b", WorldOptions(size=3, kinds=("note",), negatives=0))
    assert all(not example.negatives for example in Dataset.open(tmp_path / "b").examples())


def test_defaults_are_those_of_the_command_line() -> None:
    from anyseek.cli.data import data

    options, given = WorldOptions(), {parameter.name: parameter.default for parameter in data.commands["world"].params}
    assert tuple(given["kinds"].split(",")) == options.kinds
    for name in ("size", "seed", "split", "negatives"):
        assert given[name] == getattr(options, name)


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    for wrong in ({"size": 0}, {"negatives": -1}, {"kinds": ()}):
        with pytest.raises(ConfigError):
            WorldOptions(**wrong)
    with pytest.raises(ConfigError, match="kinds must be of"):
        write_world(tmp_path / "a", WorldOptions(kinds=("song",)))
    with pytest.raises(ConfigError, match="split must be"):
        write_world(tmp_path / "a", WorldOptions(split="test"))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
