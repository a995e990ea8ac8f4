"""Where models lie, and how they get there: both hubs, resumed, checked, and never in halves."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import CapacityError, CheckpointError, ConfigError
from anyseek.model import download as module
from anyseek.model.download import download
from anyseek.model.hub import FAMILY, TINY, bundled, folder_of, is_complete, locate, on_disk, released
from tests.model.fake_hub import COMMIT, FakeHub, serve

ID = "some/model"
BIG = "model-00002-of-00002.safetensors"
SOURCES = ("huggingface", "modelscope")


def model_files() -> dict[str, bytes]:
    noise = random.Random(7)
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": BIG}}
    return {
        "config.json": b'{"model_type": "qwen3_vl"}',
        "tokenizer.json": b'{"model": {}}' * 50,
        "tokenizer_config.json": b"{}",
        "preprocessor_config.json": b"{}",
        "model.safetensors.index.json": json.dumps(index).encode(),
        "model-00001-of-00002.safetensors": noise.randbytes(5000),
        BIG: noise.randbytes(400_000),
        "README.md": b"not wanted",
        "chat_template.jinja": b"not wanted",
        "onnx/model.safetensors": b"not wanted",
        "../outside.safetensors": b"not wanted",
    }


WANTED = {name for name in model_files() if model_files()[name] != b"not wanted"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(model_files()) as hub:
        yield hub


def get(hub: FakeHub, source: Any, folder: Path, **options: Any) -> Path:
    return download(ID, "embedding", source=source, endpoint=hub.endpoint, folder=folder, **options)


def assert_sound(hub: FakeHub, folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == WANTED
    for name in WANTED:
        assert (folder / name).read_bytes() == hub.files[name]


@pytest.mark.parametrize("source", SOURCES)
def test_brings_the_files_that_are_read_and_no_others(hub: FakeHub, source: str, tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    folder = get(hub, source, tmp_path, progress=lambda name, done, total: told.update({name: (done, total)}))
    assert_sound(hub, folder)
    assert told == {name: (len(hub.files[name]),) * 2 for name in WANTED}
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_there_is_not_fetched_again(hub: FakeHub, source: str, tmp_path: Path) -> None:
    get(hub, source, tmp_path)
    hub.requests.clear()
    assert_sound(hub, get(hub, source, tmp_path))
    assert hub.requests == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_broken_connection_is_resumed_at_once(
    hub: FakeHub, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # it keeps whole chunks only, of 10 MB by default
    hub.cut[BIG] = [150_000]
    assert_sound(hub, get(hub, source, tmp_path))
    ranges = [asked for name, asked in hub.requests if name == BIG]
    assert ranges == [None, "bytes=150000-"]


def test_an_interrupted_download_goes_on_in_the_next_run(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut[BIG] = [100_000, 0, 0, 0]
    with pytest.raises(CheckpointError, match="what has arrived is kept"):
        get(hub, "modelscope", tmp_path)
    assert not is_complete(folder_of(ID, tmp_path))
    hub.requests.clear()
    assert_sound(hub, get(hub, "modelscope", tmp_path))
    assert hub.requests == [(BIG, "bytes=100000-")]


def test_an_interrupted_hugging_face_download_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        get(hub, "huggingface", tmp_path, progress=stop_at("model-00001-of-00002.safetensors"))
    hub.requests.clear()
    assert_sound(hub, get(hub, "huggingface", tmp_path))
    assert {name for name, _ in hub.requests} == {"model-00001-of-00002.safetensors", BIG}


def stop_at(wanted: str) -> module.Progress:
    def progress(name: str, done: int, total: int) -> None:
        if name == wanted:
            raise KeyboardInterrupt

    return progress


def test_a_server_without_range_starts_the_file_anew(hub: FakeHub, tmp_path: Path) -> None:
    hub.cut[BIG] = [100_000]
    hub.ignores_range = True
    assert_sound(hub, get(hub, "modelscope", tmp_path))


def test_a_partial_file_of_another_model_is_replaced(hub: FakeHub, tmp_path: Path) -> None:
    folder_of(ID, tmp_path).mkdir(parents=True)
    (folder_of(ID, tmp_path) / f"{BIG}.part").write_bytes(b"x" * 500_000)
    assert_sound(hub, get(hub, "modelscope", tmp_path))


@pytest.mark.parametrize("source", SOURCES)
def test_a_corrupt_file_is_fetched_once_more(hub: FakeHub, source: str, tmp_path: Path) -> None:
    hub.corrupt[BIG] = 1
    assert_sound(hub, get(hub, source, tmp_path))
    assert [name for name, _ in hub.requests].count(BIG) == 2


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_corrupt_twice_is_an_error_and_leaves_nothing(hub: FakeHub, source: str, tmp_path: Path) -> None:
    hub.corrupt[BIG] = 2
    with pytest.raises(CheckpointError, match="corrupt twice"):
        get(hub, source, tmp_path)
    assert BIG not in {path.name for path in tmp_path.rglob("*")}
    assert on_disk(ID, cache=tmp_path, root=tmp_path) is None
    assert_sound(hub, get(hub, source, tmp_path))


@pytest.mark.parametrize("source", SOURCES)
def test_a_corrupt_copy_on_this_machine_is_replaced(hub: FakeHub, source: str, tmp_path: Path) -> None:
    path = (get(hub, source, tmp_path) / BIG).resolve()
    path.write_bytes(b"\0" * len(hub.files[BIG]))
    assert_sound(hub, get(hub, source, tmp_path))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_model_without_a_needed_file_is_refused_before_any_download(
    hub: FakeHub, source: str, name: str, tmp_path: Path
) -> None:
    del hub.files[name]
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        get(hub, source, tmp_path)
    assert hub.requests == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_shard_that_is_not_listed_is_an_error(hub: FakeHub, source: str, tmp_path: Path) -> None:
    del hub.files[BIG]
    with pytest.raises(CheckpointError, match="incomplete on this hub"):
        get(hub, source, tmp_path)


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_that_is_listed_but_missing_is_an_error(hub: FakeHub, source: str, tmp_path: Path) -> None:
    hub.unlisted.add(BIG)
    with pytest.raises(CheckpointError, match=BIG):
        get(hub, source, tmp_path)


@pytest.mark.parametrize("source", SOURCES)
def test_an_unknown_model_and_an_unreachable_hub_are_one_line(hub: FakeHub, source: Any, tmp_path: Path) -> None:
    for name, endpoint in (("some/other", hub.endpoint), (ID, "http://127.0.0.1:9")):
        with pytest.raises(CheckpointError) as caught:
            download(name, "embedding", source=source, endpoint=endpoint, folder=tmp_path)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", SOURCES)
def test_the_disk_is_looked_at_first(hub: FakeHub, source: str, tmp_path: Path) -> None:
    hub.extra_size = 10**16
    with pytest.raises(CapacityError, match="GB free"):
        get(hub, source, tmp_path)
    assert hub.requests == []


def test_nonsense_from_modelscope_is_an_error(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "listing", lambda style: {"Code": 500})
    with pytest.raises(CheckpointError, match="unexpected answer"):
        get(hub, "modelscope", tmp_path)


def test_names_and_sources_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown model 'tiny'"):
        download("tiny", "embedding", folder=tmp_path)
    with pytest.raises(ConfigError, match="choose huggingface or modelscope"):
        download(ID, "embedding", source="ftp")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="made for reranking"):
        download("Qwen/Qwen3-VL-Reranker-2B", "embedding", folder=tmp_path)


# locate


def model_folder(path: Path, *without: str) -> Path:
    path.mkdir(parents=True)
    for name in WANTED - set(without):
        (path / name).write_bytes(model_files()[name])
    return path


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert locate(tmp_path, "embedding") == tmp_path
    assert locate(str(tmp_path), "reranking") == tmp_path


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    for name in ("2b", "8b", "Qwen/Qwen3-VL-Embedding-2B", "me/mine"):
        with pytest.raises(CheckpointError, match=r"anyseek models get (2b|8b|me/mine)$"):
            locate(name, "embedding", cache=tmp_path, root=tmp_path)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "nonsense", Path("2b-of-mine")])
def test_a_missing_folder_names_the_choices(name: str | Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="tiny, 2b, 8b"):
        locate(name, "embedding", cache=tmp_path, root=tmp_path)


def test_finds_our_own_folder(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "Qwen" / "Qwen3-VL-Embedding-2B")
    for name in ("2b", "2B", "Qwen/Qwen3-VL-Embedding-2B", "qwen/qwen3-vl-embedding-2b"):
        assert locate(name, "embedding", cache=tmp_path / "none", root=tmp_path) == folder


def test_finds_hugging_faces_cache(hub: FakeHub, tmp_path: Path) -> None:
    folder = get(hub, "huggingface", tmp_path)
    assert folder.name == COMMIT
    assert locate(ID, "embedding", cache=tmp_path, root=tmp_path / "none") == folder


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", BIG])
def test_half_a_model_is_no_model(missing: str, tmp_path: Path) -> None:
    assert not is_complete(model_folder(tmp_path / "some" / "model", missing))
    with pytest.raises(CheckpointError, match="not on this machine"):
        locate(ID, "embedding", cache=tmp_path / "none", root=tmp_path)


def test_a_damaged_index_is_no_model(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "some" / "model")
    for text in ("", "[]", "{}", '{"weight_map": 1}'):
        (folder / "model.safetensors.index.json").write_text(text)
        assert not is_complete(folder)


def test_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="Reranker-2B is made for reranking, but a model for embedding is needed"):
        locate("Qwen/Qwen3-VL-Reranker-2B", "embedding")


def test_the_family() -> None:
    assert [(model.name, model.kind) for model in FAMILY] == [
        (size, kind) for size in ("2b", "8b") for kind in ("embedding", "reranking")
    ]
    model = released("2b", "embedding")
    assert model is not None
    assert (model.dim, model.weight_bytes(), model.weight_bytes(4)) == (2048, 4_255_064_064, 8_510_128_128)
    assert released("me/mine", "embedding") is None


def test_bundled_says_where_it_looked() -> None:
    with pytest.raises(CheckpointError, match=r"models/none does not come with this installation"):
        bundled("none")


@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_tiny_is_bundled_and_complete(kind: Any) -> None:
    if not (Path(__file__).parents[2] / "models" / TINY[kind]).is_dir():
        pytest.skip("the tiny pair has not been trained yet")
    folder = locate("tiny", kind)
    assert is_complete(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 40e6
    assert all(path.stat().st_size <= 16 * 2**20 for path in folder.iterdir())
