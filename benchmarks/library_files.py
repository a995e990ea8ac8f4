"""The samples, then a folder of mixed files: index, kill, go on, search, rename, change, delete, again.

    python -m benchmarks.library_files [--files 2000] [--kills 20] [--folder DIR] [--write]

The files are of the world: pictures, PDFs with a text of their own, notes as text, Markdown and HTML, office documents,
clips and films, and some that are broken or of no known kind. The first run is killed with SIGKILL at random moments;
after each, the library must hold everything that it held before, and nothing twice. What is encoded is counted at the
model.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from anyseek import Embedder, Library
from anyseek.cli.demo import QUERIES, read_questions
from anyseek.index import Store, StoredFile
from anyseek.model.hub import bundled
from anyseek.search import AskOptions, Report
from anyseek.world import Clip, Page, sample_thing
from anyseek.world.canvas import Words
from anyseek.world.files import encode_clip, file_of

SHARES = {"picture": 600, "pdf": 240, "note": 800, "html": 100, "markdown": 100, "office": 40, "clip": 60, "film": 10}
SHARES |= {"broken": 30, "unknown": 20}
"""Of every 2,000 files."""
RESULT = Path(__file__).parent / "results" / "library_files.md"
SPLIT = "composition"


def make_folder(root: Path, files: int, seed: int = 0) -> dict[str, int]:
    """Write the files, in folders of a hundred; how many of each kind there are."""
    rng = random.Random(seed)
    wanted = [kind for kind, share in SHARES.items() for _ in range(max(1, round(share * files / 2000)))]
    rng.shuffle(wanted)
    for number, kind in enumerate(wanted):
        folder = root / f"{number // 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        MAKERS[kind](folder / f"{kind} {number}", rng)
    return Counter(wanted)


def _picture(path: Path, rng: random.Random) -> None:
    jpeg = rng.random() < 0.5
    path.with_suffix(".jpg" if jpeg else ".png").write_bytes(file_of(sample_thing("scene", rng, SPLIT), jpeg))


def _pdf(path: Path, rng: random.Random) -> None:
    """One to three pages, half of them scans, the others with their words as invisible text."""
    canvas = Canvas(str(path.with_suffix(".pdf")))
    for _ in range(rng.choice((1, 1, 2, 3))):
        page = sample_thing("page", rng, SPLIT)
        assert isinstance(page, Page)
        canvas.setPageSize((page.width, page.height))
        canvas.drawImage(ImageReader(PIL.Image.fromarray(page.draw())), 0, 0, page.width, page.height)
        if rng.random() < 0.5:
            text = canvas.beginText(0, page.height - 20)
            text.setTextRenderMode(3)
            for mark in page.marks():
                if isinstance(mark, Words):
                    text.textLine(mark.text.encode("latin-1", "ignore").decode("latin-1"))
            canvas.drawText(text)
        canvas.showPage()
    canvas.save()


def _note(path: Path, rng: random.Random) -> None:
    path.with_suffix(".txt").write_bytes(file_of(sample_thing("note", rng, SPLIT)) + f" {rng.random()}".encode())


def _html(path: Path, rng: random.Random) -> None:
    said = file_of(sample_thing("note", rng, SPLIT)).decode()
    path.with_suffix(".html").write_text(
        f"<!doctype html><title>{path.name}</title><script>var x = 1</script><p>{said}</p>", encoding="utf-8"
    )


def _markdown(path: Path, rng: random.Random) -> None:
    said = [file_of(sample_thing("note", rng, SPLIT)).decode() for _ in range(rng.choice((1, 3, 40)))]
    path.with_suffix(".md").write_text(f"# {path.name}\n\n" + "\n\n".join(said), encoding="utf-8")


def _office(path: Path, rng: random.Random) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph(file_of(sample_thing("note", rng, SPLIT)).decode() + f" {path.name}")
    document.save(str(path.with_suffix(".docx")))


def _clip(path: Path, rng: random.Random) -> None:
    path.with_suffix(".mp4").write_bytes(file_of(sample_thing("clip", rng, SPLIT)))


def _film(path: Path, rng: random.Random) -> None:
    """Clips one after another, half a minute and more: several segments."""
    clips = [sample_thing("clip", rng, SPLIT) for _ in range(8)]
    with av.open(str(path.with_suffix(".mp4")), "w") as container:
        stream = container.add_stream("libx264", rate=4, options={"crf": "28", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        for clip in clips:
            assert isinstance(clip, Clip)
            for index in range(20):
                picture = PIL.Image.fromarray(clip.frame(index / 20 * clip.seconds)).resize((192, 144))
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def _broken(path: Path, rng: random.Random) -> None:
    whole = encode_clip(sample_thing("clip", rng, SPLIT)) if rng.random() < 0.5 else b"%PDF-1.4\nnothing"  # type: ignore[arg-type]
    path.with_suffix(".bin").write_bytes(whole[: len(whole) // 2] if len(whole) > 100 else whole + path.name.encode())


def _unknown(path: Path, rng: random.Random) -> None:
    path.with_suffix(".dat").write_bytes(bytes(range(256)) + rng.randbytes(100))


MAKERS: dict[str, Callable[[Path, random.Random], None]] = {
    "picture": _picture,
    "pdf": _pdf,
    "note": _note,
    "html": _html,
    "markdown": _markdown,
    "office": _office,
    "clip": _clip,
    "film": _film,
    "broken": _broken,
    "unknown": _unknown,
}


def step(root: Path, place: Path, log: Path, model: str) -> None:
    """One run in a process of its own; a line for every batch that goes to the model, a last one for the report."""
    embedder = Embedder.load(model)
    plain = embedder.encode_document

    def counted(items: Any, **options: Any) -> Any:
        note({"encoded": len(items)})
        return plain(items, **options)

    def note(said: dict[str, Any]) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")

    embedder.encode_document = counted  # type: ignore[method-assign]
    with Library.open(place, embedder) as library:
        note({"open": True})
        note({"report": asdict(library.index([root], options=_options()))})


def _options() -> Any:
    from anyseek.search import IndexOptions

    return IndexOptions(batch_seconds=2.0)


class Life:
    """A folder, its library, and what was seen of it."""

    def __init__(self, folder: Path, model: str) -> None:
        self.root, self.place, self.log = folder / "files", folder / "library", folder / "log"
        self.model = model

    def start(self) -> "subprocess.Popen[bytes]":
        """A run in a process of its own."""
        self.log.write_text("", encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.library_files", "--step", str(self.root), str(self.place)]
        return subprocess.Popen([*command, str(self.log), "--model", self.model])

    def said(self) -> list[dict[str, Any]]:
        """Lines of the last run; one that was being written when it was killed is left out."""
        lines = self.log.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def encoded(self) -> int:
        """Things that the last run gave to the model."""
        return sum(line.get("encoded", 0) for line in self.said())

    def whole_run(self) -> tuple[Report, int]:
        """A run to its end: its report, and what it encoded."""
        assert self.start().wait() == 0
        (report,) = [line["report"] for line in self.said() if "report" in line]
        return Report(**report), self.encoded()

    def killed_run(self, things: int, seconds: float) -> bool:
        """A run that is killed so long after so many things went to the model; False when it ended before."""
        process = self.start()
        while (self.encoded() < things or {"open": True} not in self.said()) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return not any("report" in line for line in self.said())

    def done(self) -> dict[tuple[str, str], StoredFile]:
        """Finished files by their place."""
        return {file.key: file for file in Store.open(self.place).files() if file.state == "done"}

    def check(self, before: dict[tuple[str, str], StoredFile]) -> tuple[int, int]:
        """Finished files and their things; raises when anything of `before` is lost, or anything is there twice."""
        store, now = Store.open(self.place), self.done()
        lost = [key for key, file in before.items() if now.get(key) != file]
        assert not lost, f"lost: {lost[:3]}"
        hashes = sorted({str(file.hash) for file in now.values()})
        things = [thing for hash in hashes for thing in store.things_of(hash)]
        assert len({thing.id for thing in things}) == len(things), "a thing is there twice"
        by_hash = Counter(thing.hash for thing in things)
        for hash in hashes:
            parts = {thing.part for thing in things if thing.hash == hash}
            assert parts == set(range(by_hash[hash])), f"{hash} misses a part"
        found = {one.id for one in store.recall(np.ones(store.fingerprint.width, np.float32), 10**6)}
        assert found == {thing.id for thing in things}, "what counts is not what is done"
        return len(now), len(things)


def change(root: Path, rng: random.Random) -> dict[str, int]:
    """Rename, copy, touch, change and delete files; how many of each."""
    files = sorted(path for path in root.rglob("*") if path.suffix in (".png", ".jpg", ".pdf", ".txt", ".mp4"))
    tenth = max(1, len(files) // 20)
    chosen = rng.sample(files, 5 * tenth)
    texts = [path for path in files if path.suffix == ".txt" and path not in chosen][:tenth]
    for number, path in enumerate(chosen):
        kind = number // tenth
        if kind == 0:
            path.rename(path.with_name(f"renamed {path.name}"))
        elif kind == 1:
            path.rename(root / f"moved {path.name}")
        elif kind == 2:
            shutil.copyfile(path, path.with_name(f"copy of {path.name}"))
        elif kind == 3:
            os.utime(path)
        else:
            path.unlink()
    for path in texts:
        path.write_text(path.read_text(encoding="utf-8") + " changed", encoding="utf-8")
    names = ("renamed", "moved", "copied", "touched", "deleted")
    return dict.fromkeys(names, tenth) | {"changed": len(texts)}


def check_vectors(life: Life, rng: random.Random, count: int = 40) -> float:
    """The least cosine of stored vectors with those of the same things encoded anew."""
    from anyseek.search.pieces import item_of

    store, embedder = Store.open(life.place), Embedder.load(life.model)
    chosen = rng.sample(sorted(life.done().items()), count)
    things = [(thing, Path(*key)) for key, file in chosen for thing in store.things_of(str(file.hash))[:1]]
    fresh = embedder.encode_document([item_of(*one) for one in things], truncate_dim=store.fingerprint.width)
    return float((fresh * store.vectors([thing.id for thing, _ in things])).sum(axis=1).min())


def search_times(life: Life, rng: random.Random) -> tuple[float, float]:
    """Median seconds of a search by words, and of one by a picture that is there; the picture must come first."""
    seconds: tuple[list[float], list[float]] = ([], [])
    with Library.open(life.place, life.model) as library:
        done = [Path(*key) for key in life.done() if key[1].endswith((".png", ".jpg"))]
        for path in rng.sample(sorted(done), 15):
            for kind, query in enumerate((path.stem, path)):
                started = time.perf_counter()
                found = library.search(query, options=AskOptions(duplicates=kind == 1))
                seconds[kind].append(time.perf_counter() - started)
            assert any(path.resolve() in hit.paths for hit in found.hits), f"{path} is not found by itself"
    return float(np.median(seconds[0])), float(np.median(seconds[1]))


def samples(place: Path, model: str) -> str:
    """The bundled samples: indexed, indexed again, and asked the questions of the demo, whose answers are known."""
    folder = place / "samples"
    shutil.copytree(bundled(".", "samples"), folder)
    questions = read_questions(folder)
    (folder / QUERIES).unlink()
    right = []
    for reranker in (None, model):
        with Library.open(place / "library of samples", model, reranker) as library:
            report = library.index([folder])
            if reranker is None:
                first = report
            things = library.info().things
            asked = [(question, library.search(question.item, options=AskOptions(cut=False))) for question in questions]
        best = [(question, answers.hits[0]) for question, answers in asked]
        answered = [any(p in hit.paths and n in (None, hit.thing.page) for p, n in q.answers) for q, hit in best]
        right.append(sum(answered))
    assert not report.changed, "the second run is not free"
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(things.items()))
    return (
        f"The bundled samples: {first.found} files, {kinds}, in {first.seconds:.1f} s; again, with nothing changed, "
        f"{report.seconds:.2f} s and nothing encoded.\nOf the {len(questions)} questions of the demo {right[0]} get "
        f"their answer first, with the reranker {right[1]}."
    )


def live(life: Life, kills: int, files: int) -> str:
    """The whole life, as a page."""
    rng = random.Random(1)
    small = samples(life.place.parent, life.model)
    print(small, flush=True)
    kinds = make_folder(life.root, files)
    before: dict[tuple[str, str], StoredFile] = {}
    lines, killed, spent = [], 0, 0
    while killed < kills:
        assert life.killed_run(rng.randrange(files // 15), rng.uniform(0, 3)), (
            "the run ended before it was killed often enough: give more files"
        )
        killed, spent = killed + 1, spent + life.encoded()
        if (life.place / "about.lance").exists():
            done, things = life.check(before)
            before = life.done()
            lines.append(f"| {killed} | {life.encoded()} | {done:,} | {things:,} |")
            print(lines[-1], flush=True)
    first, encoded = life.whole_run()
    done, things = life.check(before)
    second, again = life.whole_run()
    assert (again, second.changed) == (0, False), "a second run is not free"
    changed = change(life.root, rng)
    third, after = life.whole_run()
    assert (after, third.indexed) == (third.things, changed["changed"]), "more than what changed was encoded"
    counted = life.check({})
    return page(
        small=small,
        kinds=dict(kinds),
        lines=lines,
        first=first,
        spent=(spent, encoded),
        counted=(done, things, *counted),
        second=second,
        changed=changed,
        third=third,
        after=after,
        least=check_vectors(life, rng),
        seconds=search_times(life, rng),
        info=Store.open(life.place).info(),
    )


def page(**seen: Any) -> str:
    """What was seen, as Markdown."""
    first, second, third = (seen[name] for name in ("first", "second", "third"))
    done, things, later_done, later_things = seen["counted"]
    spent, last = seen["spent"]
    kills, failed, left_out = len(seen["lines"]), len(first.failed), len(first.left_out)
    by_words, by_picture = (1000 * seconds for seconds in seen["seconds"])
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in seen["kinds"].items())
    changed = ", ".join(f"{count} {what}" for what, count in seen["changed"].items())
    return f"""# The life of a library

`python -m benchmarks.library_files`, Python {platform.python_version()}, fp32 on CPU beside other work; tiny.

{seen["small"]}

## A folder

{kinds}.

| | files | encoded | seconds |
|---|---:|---:|---:|
| the rest of the first run, after {kills} kills | {first.found:,} | {last:,} | {first.seconds:.1f} |
| second run, nothing changed | {second.found:,} | 0 | {second.seconds:.2f} |
| after a change ({changed}) | {third.found:,} | {seen["after"]:,} | {third.seconds:.1f} |

At the end of the first: {done:,} files done with {things:,} things; the last run met {failed} that cannot be read and
{left_out} of other kinds. After the change: {later_done:,} files with {later_things:,} things, {third.known:,} of them
known by their content, {third.removed:,} removed. Given to the model up to the end of the first run: {spent + last:,}
for {things:,} things, so that {kills} kills cost {spent + last - things:,}.

Least cosine of 40 stored vectors with the same things encoded anew: {seen["least"]:.6f} (they are kept in float16).
A search takes {by_words:.0f} ms by words and {by_picture:.0f} ms by a picture, the query's encoding included (medians
of 15); {seen["info"].bytes_per_thing / 1024:.1f} KiB on disk for each thing, thumbnails included.

## Killed with SIGKILL

Nothing lost, nothing twice, and what counts is what is done, after each:

| kill | encoded before it | files done | things |
|---:|---:|---:|---:|
{chr(10).join(seen["lines"])}
"""


def main() -> None:
    """Live, say, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--step", nargs=3, type=Path, default=None, help="what a process of its own does")
    given = parser.parse_args()
    if given.step:
        step(*given.step, given.model)
        return
    with tempfile.TemporaryDirectory() as temporary:
        text = live(Life(given.folder or Path(temporary), given.model), given.kills, given.files)
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
