"""The bundled samples: small, many, of every kind, and every question has an answer that is there."""

import json
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples"


def test_samples_are_many_and_small() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    assert len(files) >= 60
    assert sum(path.stat().st_size for path in files) < 3_000_000
    suffixes = {path.suffix for path in files}
    assert {".png", ".jpg", ".webp", ".gif", ".bmp", ".tiff", ".pdf", ".mp4", ".webm", ".txt", ".md"} <= suffixes


def test_questions_point_to_files() -> None:
    questions = json.loads((SAMPLES / "queries.json").read_text(encoding="utf-8"))
    assert len(questions) >= 12
    for question in questions:
        assert (SAMPLES / question["expected"]["path"]).is_file()
        assert question["expected"].get("page", 1) >= 1
        if isinstance(question["query"], dict):
            assert (SAMPLES / question["query"]["image"]).is_file()
