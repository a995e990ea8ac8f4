"""`anyseek serve` and `anyseek serve keys`: options become those of the server, and keys are kept as hashes."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import anyseek.server
from anyseek.cli import serve as module
from anyseek.cli.main import main
from anyseek.engine import Embedder, Reranker
from anyseek.server import ServerOptions

Run = Callable[..., Result]


class Served:
    """What would be served."""

    options: ServerOptions
    loaded: list[tuple[str, dict[str, Any]]]

    def __init__(self) -> None:
        self.loaded = []

    def load(self, name: str, **given: Any) -> Any:
        self.loaded.append((name, given))
        return SimpleNamespace(source=None, with_adapter=lambda folder: (name, folder))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    found = Served()

    def serve(load: Callable[[], Any], options: ServerOptions, announce: Callable[[str], None]) -> None:
        found.options, found.models = options, load()
        announce("http://127.0.0.1:1")

    monkeypatch.setattr(anyseek.server, "serve", serve)
    monkeypatch.setattr(Embedder, "load", found.load)
    monkeypatch.setattr(Reranker, "load", found.load)
    monkeypatch.setattr(module, "default_keys", lambda: tmp_path / "settings" / "keys.json")
    return found


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(main, ["serve", *map(str, arguments)])


def test_defaults(run: Run, served: Served) -> None:
    result = run("--model", "tiny")
    assert result.exit_code == 0, result.output
    assert served.options == ServerOptions()
    assert "listening on http://127.0.0.1:1 for everybody on this machine" in result.stderr
    assert served.models.names["embedding"] == ("anyseek-tiny-embedding", "tiny")
    assert served.models.names["reranking"] == ("anyseek-tiny-reranker", "tiny")
    for _, given in served.loaded:
        assert given["parse_special"] is False
        media = given["media"]
        assert (media.urls, media.files, media.root, media.private_addresses) == (False, False, None, False)


def test_options(run: Run, served: Served, tmp_path: Path) -> None:
    words = [
        "--model",
        "tiny",
        "--no-rerank",
        "--port",
        0,
        "--origin",
        "https://a.example",
        "--origin",
        "https://b.example",
    ]
    words += ["--allow-host", "box", "--alias", "text-embedding-3-small", "--audit", tmp_path / "a.jsonl", "--urls"]
    words += ["--max-body-mib", 2, "--max-items", 5, "--concurrency", 7, "--timeout", 9, "--max-tokens", 99]
    assert run(*words).exit_code == 0
    options = served.options
    assert (options.port, options.origins, options.hosts) == (0, ("https://a.example", "https://b.example"), ("box",))
    assert (options.bounds.body_bytes, options.bounds.items) == (2 << 20, 5)
    assert (options.bounds.concurrency, options.bounds.request_seconds) == (7, 9)
    assert options.audit == tmp_path / "a.jsonl"
    ((_, given),) = served.loaded
    assert (given["media"].urls, given["limits"].max_tokens) == (True, 99)
    assert served.models.names == {"embedding": ("anyseek-tiny-embedding", "tiny", "text-embedding-3-small")}


def test_adapters(run: Run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(anyseek.server, "Models", lambda **given: made.update(given) or SimpleNamespace(**given))
    for name in ("one", "other", "a=b"):
        (tmp_path / name).mkdir()
    words = ["--lora", f"legal={tmp_path / 'one'}", "--lora", f"news={tmp_path / 'a=b'}"]
    result = run("--model", "tiny", *words, "--reranker-lora", f"legal={tmp_path / 'other'}")
    assert result.exit_code == 0, result.output
    loaded = [name for name, _ in served.loaded]
    assert made["adapted"] == [
        ("legal", (loaded[0], tmp_path / "one")),
        ("news", (loaded[0], tmp_path / "a=b")),
        ("legal", (loaded[1], tmp_path / "other")),
    ]
    for wrong in ("legal", f"={tmp_path / 'one'}", f"legal={tmp_path / 'absent'}", "legal="):
        result = run("--model", "tiny", "--lora", wrong)
        assert (result.exit_code, "is not NAME=FOLDER" in result.output) == (2, True), wrong
    result = run("--model", "tiny", "--no-rerank", "--reranker-lora", f"legal={tmp_path / 'one'}")
    assert "--reranker-lora needs a reranker" in result.output


def test_a_folder_is_not_called_by_its_path(run: Run, served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert run("--model", folder, "--no-rerank").exit_code == 0
    assert served.models.names["embedding"] == ("mine",)


def test_a_library(run: Run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(module.click, "launch", opened.append)
    monkeypatch.setattr(module, "default_library", lambda: tmp_path / "default")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "keys").mkdir()
    assert run("--model", "tiny").exit_code == 0
    assert (served.options.library, served.options.folders, opened) == (None, (), [])
    result = run(tmp_path / "pictures", tmp_path / "keys", "--model", "tiny", "--open")
    assert result.exit_code == 0, result.output
    assert served.options.library == tmp_path / "default"
    assert served.options.folders == (tmp_path / "pictures", tmp_path / "keys")
    assert "http://127.0.0.1:1/" in result.stderr
    assert opened == ["http://127.0.0.1:1/"]
    assert run("--model", "tiny", "--library", tmp_path / "mine", "--max-upload-mib", 3, "--hold-mib", 0).exit_code == 0
    assert (served.options.library, served.options.folders) == (tmp_path / "mine", ())
    assert served.options.bounds.upload_bytes == 3 << 20
    assert served.options.held_bytes == 0
    result = run("--model", "tiny", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "neither a folder nor a command" in result.stderr


def test_an_open_door_is_refused(run: Run, served: Served) -> None:
    result = run("--model", "tiny", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "keys are needed" in result.stderr
    assert not served.loaded
    assert run("--model", "tiny", "--origin", "*").exit_code == 2


def test_keys(run: Run, served: Served, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = run("keys", "add", "ann", "--keys", path).stdout.strip()
    assert secret.startswith("anyseek-")
    assert secret not in path.read_text(encoding="utf-8")
    made = json.loads(run("keys", "add", "bob", "--role", "admin", "--keys", path, "--json").stdout)
    assert (made["name"], made["role"]) == ("bob", "admin")
    listed = json.loads(run("keys", "list", "--keys", path, "--json").stdout)
    assert [(key["name"], key["role"]) for key in listed] == [("ann", "read"), ("bob", "admin")]
    assert "admin" in run("keys", "list", "--keys", path).stdout
    assert run("keys", "remove", "ann", "--keys", path).exit_code == 0
    assert run("keys", "remove", "ann", "--keys", path).exit_code == 2
    assert run("keys", "add", "a b", "--keys", path).exit_code == 2
    result = run("--model", "tiny", "--host", "0.0.0.0", "--keys", path)
    assert result.exit_code == 0, result.output
    assert served.options.keys == path


def test_keys_that_are_there_are_used(run: Run, served: Served, tmp_path: Path) -> None:
    """Nobody who has made keys serves without them by forgetting an option."""
    assert run("keys", "add", "ann").exit_code == 0
    path = tmp_path / "settings" / "keys.json"
    assert path.exists()
    assert run("--model", "tiny").exit_code == 0
    assert served.options.keys == path
    assert run("--model", "tiny", "--no-keys").exit_code == 0
    assert served.options.keys is None
    assert run("--model", "tiny", "--no-keys", "--keys", path).exit_code == 2
    assert run("--model", "tiny", "--no-keys", "--host", "0.0.0.0").exit_code == 2
