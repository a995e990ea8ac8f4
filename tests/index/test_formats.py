"""Making and opening: what is newer, damaged, unfinished or made with another model is told of."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from anyseek.errors import ConfigError, DecodeError, SourceError
from anyseek.index import Fingerprint, Store, weights_sample
from anyseek.index import tables as tables_module
from tests.index.conftest import QUERY, file_of, ids, print_, things_of


def test_a_library_is_made_once_and_must_be_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds a library already; open it"):
        Store.create(store.folder, print_())
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError, match="there is no library at .*; make one with: anyseek index"):
            Store.open(place)


@pytest.mark.parametrize("after", ["things", "files", "about"])
def test_a_making_that_was_interrupted_is_made_anew(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tables_module._connect(str(tmp_path), {})
    plain = type(database).create_table

    def dying(self: Any, name: str, *args: Any, **options: Any) -> Any:
        if name == after:
            raise KeyboardInterrupt
        return plain(self, name, *args, **options)

    monkeypatch.setattr(type(database), "create_table", dying)
    with pytest.raises(KeyboardInterrupt):
        Store.create(tmp_path, print_())
    monkeypatch.undo()
    with pytest.raises(SourceError, match="there is no library"):
        Store.open(tmp_path)
    store = Store.create(tmp_path, print_())
    with store.write() as writer:
        writer.put(things_of("h", 1), QUERY[None])
        writer.put_files([file_of("a", "h")])
    assert ids(Store.open(tmp_path).recall(QUERY, 3)) == ["h.0"]


def test_a_newer_format_is_refused(store: Store) -> None:
    store._tables.say(format="2")
    with pytest.raises(DecodeError, match="is of format 2, this anyseek reads 1; update anyseek"):
        Store.open(store.folder)
    store._tables.say(format="two")
    with pytest.raises(DecodeError, match="is damaged"):
        Store.open(store.folder)


def test_damage_is_told_of(store: Store, tmp_path: Path) -> None:
    def copy(number: int) -> Path:
        target = tmp_path / f"copy{number}"
        shutil.copytree(store.folder, target)
        return target

    folder = copy(0)
    shutil.rmtree(folder / "things.lance")
    broken = [folder]
    for number, name in enumerate(("things.lance", "files.lance", "about.lance"), 1):
        folder = copy(number)
        for manifest in (folder / name / "_versions").glob("*.manifest"):
            manifest.write_bytes(manifest.read_bytes()[:20])
        broken.append(folder)
    other = Store.create(tmp_path / "other", print_(width=8))
    folder = copy(9)
    shutil.rmtree(folder / "things.lance")
    shutil.copytree(Path(other.folder) / "things.lance", folder / "things.lance")
    broken.append(folder)
    store._tables.say(fingerprint="{}")
    broken.append(Path(store.folder))
    for folder in broken:
        with pytest.raises(DecodeError, match="is damaged .*; index it anew"):
            Store.open(folder)


def test_a_fingerprint_names_what_differs() -> None:
    one = print_(policy={"max_pixels": 100, "fps": None}, model="models/a")
    assert one.differences(print_(policy={"max_pixels": 100, "fps": None}, model="elsewhere/b")) == []
    other = print_(
        weights="v" * 32, template="u", instruction="j", width=8, precision="int8", policy={"max_pixels": 9}, model="b"
    )
    assert one.differences(other) == [
        "the library is of models/a (wwwwwwww), asked is b (vvvvvvvv): the weights differ",
        "the template differs: t in the library, u asked",
        "instruction is 'i' in the library, 'j' asked",
        "width is 16 in the library, 8 asked",
        "precision is 'float16' in the library, 'int8' asked",
        "max_pixels is 100 in the library, 9 asked",
    ]
    assert Fingerprint.from_json(one.to_json()) == one
    for text in ("{}", "[]", "3", "{"):
        with pytest.raises(ValueError):
            Fingerprint.from_json(text)
    with pytest.raises(ConfigError, match="precision must be one of"):
        print_(precision="float8")
    with pytest.raises(ConfigError, match="width must be at least 1"):
        print_(width=0)


def test_what_cosines_hang_on() -> None:
    assert print_(precision="int8").cosines == print_(precision="float16", instruction="other").cosines
    others = [print_(), print_(precision="binary"), print_(width=8), print_(weights="v")]
    assert len({one.cosines for one in others}) == 4


def test_another_model_is_refused(store: Store) -> None:
    reopened = Store.open(store.folder)
    assert reopened.fingerprint == print_()
    reopened.check(print_(model="renamed"))
    with pytest.raises(ConfigError, match="was made otherwise: width is 16 in the library, 32 asked; precision is"):
        reopened.check(print_(width=32, precision="int8"))


def test_the_sample_of_weights_knows_weights_not_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"a.weight": torch.randn(8, 4).bfloat16(), "b.weight": torch.randn(3), "c": torch.tensor(2.0)}

    def folder(name: str, change: dict[str, torch.Tensor]) -> Path:
        (tmp_path / name).mkdir()
        save_file(tensors | change, tmp_path / name / "model.safetensors")
        return tmp_path / name

    known = weights_sample(folder("one", {}))
    split = tmp_path / "split"
    split.mkdir()
    names = {name: f"model-{number}.safetensors" for number, name in enumerate(tensors)}
    for name, file in names.items():
        save_file({name: tensors[name]}, split / file)
    index = {"weight_map": names}
    (split / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weights_sample(split) == known == weights_sample((tmp_path / "one").rename(tmp_path / "renamed"))
    other = [
        weights_sample(folder("trained", {"a.weight": tensors["a.weight"] * 1.01})),
        weights_sample(folder("dtype", {"b.weight": tensors["b.weight"].half()})),
        weights_sample(folder("shape", {"a.weight": tensors["a.weight"].reshape(4, 8).contiguous()})),
        weights_sample(folder("scalar", {"c": torch.tensor(3.0)})),
    ]
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for number, scale in enumerate((1.0, 1.01)):
        (adapter / "adapter_config.json").write_text('{"r": 2}')
        save_file({"a": torch.ones(1) * scale}, adapter / "adapter_model.safetensors")
        other.append(weights_sample(tmp_path / "renamed", adapter))
        assert len({known, *other}) == 6 + number
    (adapter / "adapter_config.json").write_text('{"r": 4}')
    assert len({known, *other, weights_sample(tmp_path / "renamed", adapter)}) == 8


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_every_precision_opens_again(precision: str, tmp_path: Path) -> None:
    store = Store.create(tmp_path, print_(precision=precision, width=12))
    with store.write() as writer:
        writer.put(things_of("h", 3), np.eye(12)[:3] + 0.01)
        writer.put_files([file_of("a", "h")])
    again = Store.open(tmp_path)
    assert again.fingerprint.precision == precision
    assert ids(again.recall(np.eye(12)[1], 1)) == ["h.1"] or precision == "binary"
    assert len(again.recall(np.eye(12)[1], 9)) == 3
    assert np.allclose(np.linalg.norm(again.vectors(["h.0", "h.2"]), axis=1), 1, atol=1e-5)
