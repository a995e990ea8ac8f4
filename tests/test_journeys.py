"""Whole journeys of a person on the bundled model and samples, through the command line."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from anyseek.cli.main import main

SAMPLES = Path(__file__).parents[1] / "samples"


def test_every_answer_of_the_demo_is_right() -> None:
    result = CliRunner().invoke(main, ["demo", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["right"] == len(answer["questions"]) >= 12


def test_search_finds_by_text_and_by_picture_and_says_what_tiny_knows(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "pictures", tmp_path / "mine")
    text = CliRunner().invoke(main, ["search", str(tmp_path / "mine"), "a snake", "--top", "3", "--json"])
    assert text.exit_code == 0, text.output
    assert json.loads(text.stdout)["hits"][0]["path"].endswith("p002.jpg")
    assert "2b" in text.stderr
    fish = str(SAMPLES / ".asked" / "fish.png")
    picture = CliRunner().invoke(main, ["search", str(SAMPLES / "pictures"), "--image", fish, "--json"])
    assert json.loads(picture.stdout)["hits"][0]["path"].endswith("p004.png")
