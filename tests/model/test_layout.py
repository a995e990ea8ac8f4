"""A saved folder loads again bit for bit, and elsewhere with the same vectors and prompts.

sentence-transformers asks transformers for a video processor, which needs torchvision; without it a blank stands in,
since text and pictures never touch it. Videos through those libraries are not tested. The file also runs with
transformers 5.23.0 and sentence-transformers 6.2.0, where the CrossEncoder can read the reranker (docs/log.md).
"""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from anyseek.batch import Sample
from anyseek.engine import Embedder, Reranker
from anyseek.errors import CheckpointError, ConfigError
from anyseek.items import Image, Item, Text, Video
from anyseek.model import load_backbone, load_head, save_checkpoint
from anyseek.model.hub import OWN_FILE
from anyseek.processing import embedding_chat_template, reranking_chat_template, template
from anyseek.processing.template import Piece, Run, Special

transformers = pytest.importorskip("transformers")
FIVE = int(transformers.__version__.split(".")[0]) >= 5

PICTURE = np.random.default_rng(0).integers(0, 256, (75, 130, 3), dtype=np.uint8)
INPUTS = [Item((Text("a red apple"),)), Item((Image(PICTURE), Text("what is this?\n")))]


@pytest.fixture(scope="module")
def embedding_saved(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "embedding"
    embedder.save(folder)
    return folder


@pytest.fixture(scope="module")
def reranking_saved(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "reranking"
    reranker.save(folder)
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


# Round trips


@pytest.mark.parametrize("shard_bytes", [4 * 10**9, 10**6])
def test_round_trip_is_exact(embedder: Embedder, embedding_folder: Path, tmp_path: Path, shard_bytes: int) -> None:
    embedder.save(tmp_path, shard_bytes=shard_bytes)
    sizes = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert (len(sizes) == 1) if shard_bytes > 10**9 else (sorted(sizes)[-2] < 1.1 * shard_bytes)  # one tensor is larger
    assert (tmp_path / "model.safetensors.index.json").exists() == (shard_bytes < 10**9)
    assert same(tensors(tmp_path), tensors(embedding_folder))
    again = Embedder.load(tmp_path, device="cpu")
    assert np.array_equal(again.encode(INPUTS), embedder.encode(INPUTS))
    assert read(tmp_path / "config.json").items() >= {**read(embedding_folder / "config.json")}.items()


def test_bare_names_are_read_and_published_ones_written(
    embedder: Embedder, embedding_folder: Path, tmp_path: Path
) -> None:
    """sentence-transformers saves a bare model: names without `model.`."""
    bare = tmp_path / "bare"
    shutil.copytree(embedding_folder, bare)
    named = tensors(embedding_folder)
    save_file({name.removeprefix("model."): tensor for name, tensor in named.items()}, bare / "model.safetensors")
    loaded = Embedder.load(bare, device="cpu")
    assert np.array_equal(loaded.encode(INPUTS), embedder.encode(INPUTS))
    loaded.save(tmp_path / "saved")
    assert same(tensors(tmp_path / "saved"), named)


def test_saving_onto_itself(embedding_folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    shutil.copytree(embedding_folder, tmp_path / "own")
    Embedder.load(tmp_path / "own", device="cpu").save(tmp_path / "own")
    assert np.array_equal(Embedder.load(tmp_path / "own", device="cpu").encode(INPUTS), embedder.encode(INPUTS))
    assert not (tmp_path / "own" / "chat_template.json").exists()


def test_dtype_of_the_written_weights(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path, dtype="bfloat16")
    assert {tensor.dtype for tensor in tensors(tmp_path).values()} == {torch.bfloat16}
    assert read(tmp_path / "config.json")["torch_dtype"] == "bfloat16"
    again = Embedder.load(tmp_path, device="cpu", dtype="bfloat16")
    again.save(tmp_path / "again")
    assert same(tensors(tmp_path), tensors(tmp_path / "again"))


def test_an_untied_reranker_keeps_its_head(reranking_folder: Path, tmp_path: Path) -> None:
    untied, saved = tmp_path / "untied", tmp_path / "saved"
    shutil.copytree(reranking_folder, untied)
    raw = read(untied / "config.json") | {"tie_word_embeddings": False}
    raw["text_config"]["tie_word_embeddings"] = False
    (untied / "config.json").write_text(json.dumps(raw))
    backbone = load_backbone(reranking_folder, dtype=torch.float32, device="cpu")
    backbone.config = type(backbone.config).from_dict(raw)
    head = torch.randn(151936, 64, generator=torch.Generator().manual_seed(0))
    save_checkpoint(backbone, untied, dtype=torch.float32, head=head)
    reranker = Reranker.load(untied, device="cpu")
    pairs = [("a red apple", INPUTS[1])]
    reranker.save(saved)
    kept = load_head(saved)
    assert kept is not None
    assert torch.equal(kept, head)
    assert np.array_equal(Reranker.load(saved, device="cpu").predict(pairs), reranker.predict(pairs))
    assert reranker.predict(pairs) != Reranker.load(reranking_folder, device="cpu").predict(pairs)
    model, info = transformers.Qwen3VLForConditionalGeneration.from_pretrained(saved, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert torch.equal(model.lm_head.weight, head)


def test_a_tied_model_has_no_head(embedder: Embedder, embedding_folder: Path, tmp_path: Path) -> None:
    assert load_head(embedding_folder) is None
    with pytest.raises(CheckpointError, match="without an output head"):
        save_checkpoint(embedder.backbone, tmp_path, dtype=torch.float32, head=torch.zeros(2, 2))


def test_a_model_put_together_by_hand_cannot_be_saved(embedder: Embedder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not loaded from a folder"):
        Embedder(embedder.backbone, embedder.processor).save(tmp_path)


def test_limits_of_the_checkpoint_are_kept_and_told(embedding_folder: Path, tmp_path: Path) -> None:
    source, saved = tmp_path / "source", tmp_path / "saved"
    shutil.copytree(embedding_folder, source)
    limits = {"max_pixels": 96 * 1024, "max_frame_pixels": 192 * 1024, "max_frames": 16}
    (source / OWN_FILE).write_text(json.dumps({"limits": limits}))
    Embedder.load(source, device="cpu").save(saved)
    assert read(saved / OWN_FILE) == {"limits": limits}
    assert read(saved / "preprocessor_config.json")["size"] == {"shortest_edge": 4096, "longest_edge": 96 * 1024}
    video = read(saved / "video_preprocessor_config.json")
    assert (video["fps"], video["max_frames"], video["max_video_tokens"]) == (1, 16, 192)
    assert video["size"] == {"shortest_edge": 131072, "longest_edge": 16 * 192 * 1024}
    plan = Embedder.load(saved, device="cpu").plan(Image(np.zeros((800, 800, 3), dtype=np.uint8)))
    assert plan.patches * 256 <= 96 * 1024


# Prompts


def text_of(pieces: list[Piece]) -> str:
    """A prompt as one string, vision as the published templates write it."""
    out = ""
    for piece in pieces:
        if isinstance(piece, Special | Run):
            out += piece.token if isinstance(piece, Special) else piece.text
        else:
            pad = "image" if isinstance(piece.part, Image) else "video"
            out += f"<|vision_start|><|{pad}_pad|><|vision_end|>"
    return out


def content_of(item: Item) -> list[dict[str, str]]:
    """The item as the content of a message."""
    parts: list[dict[str, str]] = []
    for part in item.parts:
        if isinstance(part, Text):
            parts.append({"type": "text", "text": part.text})
        else:
            parts.append(
                {"type": "image", "image": "x"} if isinstance(part, Image) else {"type": "video", "video": "x"}
            )
    return parts


def system(instruction: str | None) -> list[dict[str, Any]]:
    return [] if instruction is None else [{"role": "system", "content": [{"type": "text", "text": instruction}]}]


def rendered(text: str, messages: list[dict[str, Any]], **options: Any) -> str:
    """What transformers makes of a template."""
    from transformers.utils.chat_template_utils import render_jinja_template

    ((prompt,), _) = render_jinja_template([messages], chat_template=text, **options)
    return prompt


ITEMS = [
    Item(),
    Item((Text(""),)),
    Item((Text(" a \n{{ x }} <b>\n"),)),
    Item((Image("x"), Text("one"), Video("x"), Text("two\n\n"), Image("x"))),
    Item((Video("x"),)),
]
ENDS = ["", ".", "\u3002 ", " 5 $", "\\", "\u203d", "'\\", "é", "e\u0301", "\n"]
INSTRUCTIONS = [None, "", "  \n", *(f" it's{end}" for end in ENDS)]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_templates_render_our_prompts(item: Item, instruction: str | None) -> None:
    asked = Item(item.parts, instruction)
    user = [*system(instruction), {"role": "user", "content": content_of(item)}]
    wanted = text_of(template.embedding_prompt(asked))
    for add in (True, False):
        assert rendered(embedding_chat_template(), user, add_generation_prompt=add) == wanted
    for document in ITEMS:
        pair = [
            *system(instruction),
            {"role": "query", "content": content_of(item)},
            {"role": "document", "content": content_of(document)},
        ]
        assert rendered(reranking_chat_template(), pair) == text_of(template.reranking_prompt(asked, document))


@given(st.text(), st.text())
def test_templates_render_any_text(instruction: str, text: str) -> None:
    wanted = text_of(template.embedding_prompt(Item((Text(text),), instruction)))
    for content in (text, [{"type": "text", "text": text}]):
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": content}]
        assert rendered(embedding_chat_template(), messages) == wanted


@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_tokenizers_of_saved_folders_carry_the_template(
    kind: str, embedding_saved: Path, reranking_saved: Path
) -> None:
    folder, text = {
        "embedding": (embedding_saved, embedding_chat_template()),
        "reranking": (reranking_saved, reranking_chat_template()),
    }[kind]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wanted = text if kind == "embedding" else {"default": text, "reranker": text}
    assert tokenizer.chat_template == wanted
    assert (folder / "chat_template.jinja").read_text(encoding="utf-8") == text
    assert read(folder / "tokenizer_config.json")["chat_template"] == text


# transformers


def their_inputs(sample: Sample) -> dict[str, torch.Tensor]:
    """A sample as transformers takes it; positions are left to it."""
    inputs = {"input_ids": sample.token_ids[None], "attention_mask": torch.ones_like(sample.token_ids)[None]}
    if len(sample.patches):
        inputs |= {"pixel_values": (sample.patches.float() / 255 - 0.5) / 0.5, "image_grid_thw": sample.grids}
    if FIVE:
        kinds = torch.zeros_like(sample.token_ids).index_fill(0, sample.visual_index, 1)
        inputs["mm_token_type_ids"] = kinds[None]
    return inputs


def test_transformers_loads_both_classes(embedder: Embedder, embedding_saved: Path) -> None:
    kinds = transformers.Qwen3VLForConditionalGeneration, transformers.Qwen3VLModel
    mapping = read(embedding_saved / "sentence_bert_config.json")["model_kwargs"]
    whole, info = kinds[0].from_pretrained(embedding_saved, output_loading_info=True)
    towers, bare = kinds[1].from_pretrained(embedding_saved, output_loading_info=True, **mapping)
    for loaded in (info, bare):
        assert not loaded["missing_keys"]
        assert not loaded["unexpected_keys"]
        assert not loaded["mismatched_keys"]
    ours = embedder.encode(INPUTS, normalize_embeddings=False)
    for item, vector in zip(INPUTS, ours, strict=True):
        inputs = their_inputs(embedder.processor.sample(item))
        for model in (whole.model, towers):
            with torch.inference_mode():
                theirs = model.eval()(**inputs).last_hidden_state[0, -1]
            assert np.abs(theirs.numpy() - vector).max() < 1e-5 * max(1, np.abs(vector).max())  # measured: 4e-7


def test_the_score_is_the_difference_of_two_logits(reranker: Reranker, reranking_saved: Path) -> None:
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(reranking_saved).eval()
    ids = read(reranking_saved / "1_LogitScore" / "config.json")
    assert ids == {"true_token_id": 9693, "false_token_id": 2152, "module_input_name": "causal_logits"}
    for document in INPUTS:
        inputs = their_inputs(reranker.processor.pair_sample(Item.of("a red apple"), document))
        with torch.inference_mode():
            logits = model(**inputs).logits[0, -1]
        theirs = float(logits[ids["true_token_id"]] - logits[ids["false_token_id"]])
        ours = reranker.predict([("a red apple", document)], activation="none")[0]
        assert theirs == pytest.approx(float(ours), abs=1e-5)


# sentence-transformers


class Blank:
    """In the place of the video processor where torchvision is missing."""

    model_input_names: tuple[str, ...] = ()

    @classmethod
    def from_pretrained(cls, *_: Any, **__: Any) -> "Blank":
        return cls()


@pytest.fixture
def no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let transformers load a processor without torchvision."""
    if importlib.util.find_spec("torchvision"):
        return
    from transformers import processing_utils

    whole = processing_utils.ProcessorMixin.check_argument_for_proper_class

    def check(self: Any, name: str, value: Any) -> Any:
        return Blank if name == "video_processor" else whole(self, name, value)

    monkeypatch.setattr(processing_utils.ProcessorMixin, "check_argument_for_proper_class", check)
    monkeypatch.setattr(processing_utils.ProcessorMixin, "__repr__", object.__repr__)  # would print the blank as JSON
    if FIVE:
        from transformers.models.auto import video_processing_auto

        monkeypatch.setattr(video_processing_auto.AutoVideoProcessor, "from_pretrained", Blank.from_pretrained)
    else:
        monkeypatch.setattr(processing_utils.transformers_module, "AutoVideoProcessor", Blank)


@pytest.mark.usefixtures("no_video")
@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_gives_our_vectors(embedder: Embedder, embedding_saved: Path) -> None:
    from PIL import Image as Pillow

    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(embedding_saved), device="cpu")
    assert model.similarity_fn_name == "cosine"
    texts = ["a red apple", "", "two\nlines and a longer text"]
    picture = Pillow.fromarray(PICTURE)
    cases = [
        (model.encode(texts), embedder.encode(texts)),
        (model.encode_query(texts), embedder.encode_query(texts)),
        (model.encode_document(texts), embedder.encode_document(texts)),
        (model.encode(texts, prompt="Find it"), embedder.encode(texts, instruction="Find it")),
        (model.encode([{"image": picture}]), embedder.encode([{"image": picture}])),
        (model.encode([{"image": picture, "text": "what"}]), embedder.encode([{"image": picture, "text": "what"}])),
    ]
    for theirs, ours in cases:
        assert np.abs(theirs - ours).max() < 1e-5  # measured: 4e-7 with pictures, 0 with one text


@pytest.mark.usefixtures("no_video")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not FIVE, reason="sentence-transformers reads such rerankers with transformers 5 only")
def test_sentence_transformers_gives_our_scores(reranker: Reranker, reranking_saved: Path) -> None:
    from PIL import Image as Pillow

    library = pytest.importorskip("sentence_transformers")
    model = library.CrossEncoder(str(reranking_saved), device="cpu")
    picture = Pillow.fromarray(PICTURE)
    pairs = [("a red apple", "an apple"), ("a red apple", picture), (picture, picture), ("", "two\nlines")]
    for pair in pairs:
        theirs, ours = model.predict([pair])[0], reranker.predict([pair])[0]
        assert float(theirs) == pytest.approx(float(ours), abs=1e-5)
        theirs, ours = model.predict([pair], prompt="Find it")[0], reranker.predict([pair], instruction="Find it")[0]
        assert float(theirs) == pytest.approx(float(ours), abs=1e-5)
