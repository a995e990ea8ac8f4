"""What `doctor` says of a folder, of our own engine and of expected numbers; and the command itself."""

import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from anyseek.cli.main import EXIT_CODES, main
from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, SourceError
from anyseek.evaluation.conformance import FULL, Check, Tracer, consistency, examine, golden_findings, kind_of, pack
from anyseek.evaluation.conformance.pack import draw, png
from anyseek.evaluation.conformance.templates import TemplateFault, rendered
from anyseek.items import Image, Item
from anyseek.processing import embedding_chat_template, reranking_chat_template
from tests.conftest import GOLDEN
from tests.evaluation.planted import Engine, Plant, serving

COPIED = ("tokenizer.json", "tokenizer_config.json", "config.json", "preprocessor_config.json", "chat_template.json")


@pytest.fixture
def folder(embedding_folder: Path, tmp_path: Path) -> Path:
    """A copy whose small files may be changed."""
    own = tmp_path / "own"
    own.mkdir()
    for name in COPIED:
        shutil.copyfile(embedding_folder / name, own / name)
    (own / "model.safetensors").hardlink_to(embedding_folder / "model.safetensors")
    return own


@pytest.fixture
def change(folder: Path) -> Callable[..., None]:
    def change(name: str, section: str | None = None, **values: Any) -> None:
        path = folder / name
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        (content[section] if section else content).update(values)
        path.write_text(json.dumps(content), encoding="utf-8")

    return change


def told(folder: Path, kind: Any = "embedding") -> dict[str, Check]:
    return {check.name: check for check in examine(folder, kind)}


def test_a_good_folder(folder: Path) -> None:
    checks = told(folder)
    assert not [check for check in checks.values() if check.verdict == "wrong"]
    assert checks["config"].text == ("5 text layers of 64, 4 vision blocks of 48, head tied, rope_theta + rope_scaling")
    assert checks["weights"].text == "0.010 billion in F32"
    assert "GB in float32" in checks["memory"].text
    assert checks["end token"].text == "the post-processor appends <|endoftext|>"
    assert "8,192 tokens by default (262,144 positions), pictures of 4,096 to 1,843,200" in checks["limits"].text
    assert checks["chat template"] == Check("chat template", "ok", "chat_template.json writes our prompts")


def test_folders_of_our_own_break_no_other_library(embedder: Embedder, reranker: Reranker, tmp_path: Path) -> None:
    for kind, model in (("embedding", embedder), ("reranking", reranker)):
        model.save(tmp_path / kind)
        assert {check.verdict for check in examine(tmp_path / kind, kind)} == {"ok"}
        assert kind_of("x", tmp_path / kind) == kind


def test_kind_is_told_by_the_family_and_by_the_name() -> None:
    assert kind_of("Qwen/Qwen3-VL-Reranker-8B") == "reranking"
    assert kind_of("Qwen/Qwen3-VL-Embedding-2B") == "embedding"
    assert kind_of("models/my-reranker") == "reranking"
    assert kind_of("2b") == "embedding"


@pytest.mark.parametrize(
    ("name", "section", "values", "check", "verdict", "text"),
    [
        ("config.json", None, {"image_token_id": 7}, "tokenizer", "wrong", "image_token_id is 7"),
        ("config.json", "text_config", {"vocab_size": 9}, "tokenizer", "wrong", "but 9 rows"),
        ("config.json", None, {"model_type": "qwen2_vl"}, "config", "wrong", "model_type must be 'qwen3_vl'"),
        ("preprocessor_config.json", "size", {"shortest_edge": 65_536}, "pixel sizes", "note", "resize otherwise"),
        ("modules.json", None, {"a": 1}, "modules.json", "note", "broken"),
        (
            "chat_template.json",
            None,
            {"chat_template": "{{ 1 }}"},
            "chat template",
            "note",
            "another prompt for 'text'",
        ),
        ("chat_template.json", None, {"chat_template": "{% for"}, "chat template", "note", "cannot be rendered"),
    ],
)
def test_what_is_wrong_is_told(
    folder: Path, change: Any, name: str, section: Any, values: Any, check: str, verdict: str, text: str
) -> None:
    change(name, section, **values)
    found = told(folder)[check]
    assert found.verdict == verdict
    assert text in found.text


def test_the_extra_template_of_the_published_rerankers(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    found = told(folder, "reranking")["auto-processor"]
    assert found.verdict == "note"
    assert "AutoProcessor refuses" in found.text


def test_an_untied_reranker_without_its_head(folder: Path, change: Any) -> None:
    change("config.json", tie_word_embeddings=False)
    assert told(folder, "reranking")["weights"].verdict == "wrong"
    assert told(folder)["weights"].verdict == "ok"


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert [check.verdict for check in examine(folder, "embedding")] == ["wrong"]


def test_a_module_that_is_not_there(folder: Path) -> None:
    entry = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (folder / "modules.json").write_text(json.dumps([entry]))
    assert "'1_Pooling', which is not there" in told(folder)["modules.json"].text


@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_our_templates_write_our_prompts(kind: Any, embedder: Embedder, reranker: Reranker) -> None:
    template = embedding_chat_template() if kind == "embedding" else reranking_chat_template()
    tracer = Tracer(embedder if kind == "embedding" else reranker)
    for case in pack(kind):
        assert rendered(template, case) == tracer.prompt(case).text


def test_a_template_is_run_in_a_sandbox() -> None:
    with pytest.raises(TemplateFault, match="SecurityError|Undefined"):
        rendered("{{ ''.__class__.__mro__[1].__subclasses__() }}", pack("embedding")[0])


# The pack and our own engine


def test_pictures_of_the_pack_are_what_was_drawn(embedder: Embedder) -> None:
    picture = draw(96, 64)
    as_file, as_array = (embedder.processor.sample(Item((Image(source),))) for source in (png(picture), picture))
    assert np.array_equal(as_file.patches, as_array.patches)


@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_the_engine_agrees_with_itself(kind: Any, embedder: Embedder, reranker: Reranker) -> None:
    model = embedder if kind == "embedding" else reranker
    checks = list(consistency(model, pack(kind), FULL))
    assert [check.verdict for check in checks] == ["ok"] * 3, checks


def test_an_engine_that_does_not_is_found(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Embedder.encode

    def shuffled(self: Embedder, inputs: Any, **options: Any) -> Any:
        found = right(self, inputs, **options)
        return type(found)(np.roll(found.vectors, 1, axis=0), found.errors)

    monkeypatch.setattr(Embedder, "encode", shuffled)
    assert "wrong" in {check.verdict for check in consistency(embedder, pack("embedding"), FULL)}


@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_golden_numbers(kind: Any, embedder: Embedder, reranker: Reranker) -> None:
    tracer = Tracer(embedder if kind == "embedding" else reranker)
    found = list(islice(golden_findings(tracer, GOLDEN, kind, FULL), 8))
    assert len(found) == 8
    assert not [finding for finding in found if finding.difference]


def test_golden_numbers_of_another_checkpoint(embedder: Embedder, tmp_path: Path) -> None:
    for name in ("cases", "golden"):
        content = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        content["embedding"] = content["embedding"][:1]
        if name == "golden":
            content["embedding"][0]["embedding"].reverse()
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (finding,) = golden_findings(Tracer(embedder), tmp_path, "embedding", FULL)
    assert finding.stage == "vector"
    with pytest.raises(ConfigError, match="no cases.json"):
        list(golden_findings(Tracer(embedder), tmp_path / "none", "embedding", FULL))


# The command


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)], env={"COLUMNS": "80"})


def test_the_command_on_a_folder(embedding_folder: Path) -> None:
    result = run(embedding_folder)
    assert result.exit_code == 0, result.output
    assert "Nothing differs." in result.stdout
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80


def test_the_command_ends_with_1_when_a_folder_is_wrong(folder: Path, change: Any) -> None:
    change("config.json", image_token_id=7)
    result = run(folder, "--json")
    assert result.exit_code == 1, result.output
    report = json.loads(result.stdout)
    assert report["differs"]
    assert [check["name"] for check in report["checks"] if check["verdict"] == "wrong"] == ["tokenizer"]


def test_the_command_names_the_cause_of_a_server(embedding_folder: Path, embedder: Embedder) -> None:
    with serving(Engine(embedder, embedding_folder, Plant(pool="mean"))) as url:
        people = run(embedding_folder, "--against", url + "/v1/", "--precision", "full")
        programs = run(embedding_folder, "--against", url, "--form", "messages", "--served-name", "planted", "--json")
    assert people.exit_code == programs.exit_code == 1, people.output
    assert "mean pooling" in people.stdout
    assert "remedy: pool the last token" in people.stdout
    report = json.loads(programs.stdout)
    assert [cause["causes"] for cause in report["causes"]] == [["mean pooling"]]
    assert {row["stage"] for row in report["cases"] if row["stage"]} == {"pooling"}


def test_the_command_passes_a_right_server(reranking_folder: Path, reranker: Reranker) -> None:
    with serving(Engine(reranker, reranking_folder)) as url:
        result = run(reranking_folder, "--kind", "reranking", "--against", url)
    assert result.exit_code == 0, result.output


def test_the_command_without_a_server(embedding_folder: Path) -> None:
    result = run(embedding_folder, "--against", "http://127.0.0.1:9")
    assert result.exit_code == EXIT_CODES[SourceError]
    assert "is the server running" in result.stderr
