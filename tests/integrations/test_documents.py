"""docs/integrations.md, run as it stands, on a few of the samples."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.conftest import SAMPLES

ROOT = Path(__file__).parents[2]
PLAIN, STORE, CHAIN, LLAMA = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/integrations.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def here(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory where the samples are."""
    (tmp_path / "samples").mkdir()
    for folder in samples.iterdir():
        (tmp_path / "samples" / folder.name).symlink_to(folder)
    (tmp_path / "samples" / ".asked").symlink_to(SAMPLES / ".asked")
    monkeypatch.chdir(tmp_path)


def after(code: str) -> dict[str, Any]:
    """The names that a block leaves behind."""
    names: dict[str, Any] = {}
    exec(compile(code, "docs/integrations.md", "exec"), names)
    return names


@pytest.mark.usefixtures("here")
def test_plain_python(capsys: pytest.CaptureFixture[str]) -> None:
    left = after(PLAIN)
    assert capsys.readouterr().out.startswith("d004.pdf 1 ")
    assert left["fish"].paths[0].name == "p004.png"
    assert left["alike"].hits
    assert left["jpeg"].startswith(b"\xff\xd8")


@pytest.mark.usefixtures("here")
def test_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    after(STORE)
    assert capsys.readouterr().out == "a shopping cart in Madrid\n"
    left = after(CHAIN)
    assert len(left["parts"]) == 3
    assert {part["type"] for part in left["parts"]} == {"image_url"}


@pytest.mark.usefixtures("here")
def test_llama_index() -> None:
    left = after(LLAMA)
    assert left["found"][0].node.image_path.endswith("p004.png")
    assert left["pages"][0].metadata["path"].endswith("d004.pdf")
    assert (
        left["index"].as_retriever().retrieve(left["embedding"].picture_query({"image": "samples/pictures/p004.png"}))
    )
