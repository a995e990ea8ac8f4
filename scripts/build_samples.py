"""Write samples/: pictures, documents, clips and notes of the world, and questions with exactly one right answer.

    pip install reportlab && PYTHONPATH=src python scripts/build_samples.py

Everything is put together in ways that training never saw (split `composition`), so the questions of the demo are fair.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from anyseek.world import KINDS, Chart, Clip, Note, Page, Query, Scene, Thing, ask, near_misses, sample_thing
from anyseek.world.asking import ask_by_picture, ask_by_picture_and_words, subjects
from anyseek.world.canvas import Box, Curve, Icon, Mark, Wedge, Words, fitted
from anyseek.world.lexicon import ASSETS
from anyseek.world.pages import PAPERS
from anyseek.world.sprites import font, font_for, glyph, sprite, visual_order

SEED = 2026
FOLDER = Path(__file__).parents[1] / "samples"
SPLIT = "composition"
RATE = 8
PICTURE_SUFFIXES = ("png", "jpg", "webp", "png", "jpg", "webp", "gif", "tiff", "bmp")
PDF_PAGES = (1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3)
PAGE_LANGUAGES = (
    "en",
    "en",
    "de",
    "en",
    "fr",
    "ru",
    "en",
    "ja",
    "es",
    "el",
    "en",
    "zh",
    "ko",
    "uk",
    "it",
    "en",
    "pl",
    "he",
    "vi",
    "nl",
)
NOTE_LANGUAGES = ("en", "de", "fr", "en", "es", "ru", "zh", "ar", "hi", "ja", "en", "tr", "pt", "ko", "id", "th")


@dataclass(frozen=True, slots=True)
class Sample:
    """A thing and where it lies: a path below the samples, and the page of a PDF."""

    thing: Thing
    path: str
    page: int | None = None


@dataclass(slots=True)
class Source:
    """Things that share no object with those given before, so that a name has one answer."""

    rng: random.Random
    used: set[str]

    def take(self, kind: str, fits: Callable[[Thing], bool] = lambda _: True, level: int = 1) -> Thing:
        """The next thing of a kind that fits."""
        while True:
            thing = sample_thing(kind, self.rng, SPLIT, level)
            if fits(thing) and not self.used & set(subjects(thing)):
                self.used |= set(subjects(thing))
                return thing

    def twin(self, thing: Thing, query: Query) -> Thing:
        """A near miss of the same objects."""
        while True:
            (miss,) = near_misses(query, thing, self.rng, 1, SPLIT)
            if sorted(subjects(miss)) == sorted(subjects(thing)):
                return miss


def make_pictures(source: Source) -> list[Sample]:
    """Scenes in every picture format; the last two differ only in how their objects lie."""
    things = [source.take("scene", _small, level) for level in (1,) * 14 + (3,) * 7]
    pair = source.take("scene", lambda t: isinstance(t, Scene) and len(t.groups) == 2 and _small(t), 3)
    assert isinstance(pair, Scene)
    swapped = (replace(g, column=o.column, row=o.row) for g, o in zip(pair.groups, pair.groups[::-1], strict=True))
    things += [pair, replace(pair, groups=tuple(swapped), seed=1)]
    return [
        Sample(thing, f"pictures/p{index + 1:03d}.{PICTURE_SUFFIXES[index % len(PICTURE_SUFFIXES)]}")
        for index, thing in enumerate(things)
    ]


def _small(thing: Thing) -> bool:
    """True for a scene of moderate size, so that uncompressed formats stay small."""
    return isinstance(thing, Scene) and thing.width * thing.height < 60_000


def make_documents(source: Source) -> list[Sample]:
    """PDFs of one to three pages, scanned pages, and charts."""
    languages = list(PAGE_LANGUAGES)
    samples = []
    for index, count in enumerate(PDF_PAGES):
        for number in range(1, count + 1):
            page = source.take("page", _written_in(languages.pop(0)))
            samples.append(Sample(page, f"documents/d{index + 1:03d}.pdf", number))
    for index in range(3):
        samples.append(Sample(source.take("page", _written_in("en")), f"documents/scan{index + 1}.jpg"))
    for index, language in enumerate(("en", "en", "de", "en", "es")):
        samples.append(Sample(source.take("chart", _written_in(language)), f"documents/c{index + 1:03d}.png"))
    return samples


def _written_in(language: str) -> Callable[[Thing], bool]:
    """True for things in a language."""
    return lambda thing: thing.language == language


def make_clips(source: Source) -> list[Sample]:
    """Clips as MP4 and WebM; the last two show the same object doing the opposite."""
    things = [source.take("clip", level=level) for level in (1, 1, 1, 1, 3, 1, 3, 1)]
    mover = source.take("clip", lambda t: isinstance(t, Clip) and t.actors[0].motion == "right")
    assert isinstance(mover, Clip)
    opposite = replace(mover, actors=(replace(mover.actors[0], motion="left"),), seed=1)
    things += [mover, opposite]
    return [Sample(thing, f"clips/v{i + 1:03d}.{('mp4', 'webm')[i % 2]}") for i, thing in enumerate(things)]


def make_notes(source: Source) -> list[Sample]:
    """Notes in several languages; those with a heading are Markdown."""
    samples = []
    for index, language in enumerate(NOTE_LANGUAGES):
        note = source.take("note", _written_in(language), 2)
        suffix = "md" if str(note.draw()).startswith("#") else "txt"
        samples.append(Sample(note, f"notes/n{index + 1:03d}.{suffix}"))
    return samples


def write_picture(pixels: np.ndarray, path: Path) -> None:
    """One picture in the format of its name."""
    options = {".jpg": {"quality": 88}, ".webp": {"quality": 85}, ".tiff": {"compression": "tiff_lzw"}}
    Image.fromarray(pixels).save(path, **options.get(path.suffix, {}))


def write_clip(clip: Clip, path: Path) -> None:
    """A clip at 8 frames per second, H.264 in MP4 or VP9 in WebM."""
    codec = "libx264" if path.suffix == ".mp4" else "libvpx-vp9"
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=RATE, options={"crf": "24", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for index in range(round(clip.seconds * RATE)):
            frame = av.VideoFrame.from_ndarray(clip.frame(index / RATE), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_pdf(pages: Sequence[Page], path: Path) -> None:
    """A PDF whose pages have one point for every pixel of the world's pages."""
    canvas = Canvas(str(path), invariant=1)
    for page in pages:
        canvas.setPageSize((page.width, page.height))
        _paint(canvas, Box(0, 0, page.width, page.height, fill=PAPERS[page.paper]), page.height)
        for mark in page.marks():
            _paint(canvas, mark, page.height)
        canvas.showPage()
    canvas.save()


def _paint(canvas: Canvas, mark: Mark, height: float) -> None:
    """One mark; a PDF counts upwards from the bottom."""
    match mark:
        case Words():
            size, left = fitted(mark)
            face = font_for(mark.text, mark.face)
            canvas.setFillColorRGB(*_ink(mark.colour))
            canvas.setFont(face, size)
            canvas.drawString(left, height - mark.y - font(face, size).getmetrics()[0], visual_order(mark.text))
        case Box():
            canvas.setFillColorRGB(*_ink(mark.fill or (0, 0, 0)))
            canvas.setStrokeColorRGB(*_ink(mark.outline or (0, 0, 0)))
            edges = (mark.x, height - mark.y - mark.height, mark.width, mark.height)
            canvas.rect(*edges, stroke=int(mark.outline is not None), fill=int(mark.fill is not None))
        case Icon():
            picture = ImageReader(sprite(mark.object_id, 128))
            canvas.drawImage(picture, mark.x, height - mark.y - mark.side, mark.side, mark.side, mask="auto")
        case Curve() | Wedge():
            raise NotImplementedError("pages have no curves")


def _ink(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour in shares of one."""
    red, green, blue = (level / 255 for level in colour)
    return red, green, blue


def write(samples: Sequence[Sample]) -> None:
    """Every file."""
    for face in ("sans", "sans-bold", "serif", "cjk"):
        pdfmetrics.registerFont(TTFont(face, str(ASSETS / f"{face}.ttf")))
    for place in sorted({sample.path for sample in samples}):
        path = FOLDER / place
        path.parent.mkdir(parents=True, exist_ok=True)
        things = [sample.thing for sample in samples if sample.path == place]
        match things[0]:
            case Page() if path.suffix == ".pdf":
                write_pdf([thing for thing in things if isinstance(thing, Page)], path)
            case Scene() | Chart() | Page() as thing:
                write_picture(thing.draw(), path)
            case Clip() as clip:
                write_clip(clip, path)
            case Note() as note:
                path.write_text(note.draw() + "\n", encoding="utf-8")


WISHES = (
    ("pictures/p001", 1, "en"),
    ("pictures/p004.png", 2, "en"),
    ("pictures/p006", 3, "en"),
    ("pictures/p011", 2, "en"),
    ("pictures/p013.png", 1, "zh"),
    ("pictures/p004", 1, "picture"),
    ("documents/d004", 1, "en"),
    ("documents/d004.pdf", 1, "ja"),
    ("documents/d003", 1, "picture"),
    ("documents/d012.pdf", 2, "en"),
    ("documents/scan3.jpg", 2, "en"),
    ("clips/v003", 2, "en"),
    ("clips/v008", 2, "en"),
    ("notes/n004", 2, "en"),
    ("notes/n011", 1, "de"),
)
"""What the questions are about: start of a path, level, and language, or `picture`, or `words` with a picture.

They are among those that the bundled model answers; `benchmarks/tiny_quality.py` says how often it answers any.
"""


def make_questions(
    samples: Sequence[Sample], wishes: Sequence[tuple[str, int, str]] = WISHES
) -> list[dict[str, object]]:
    """Questions with exactly one right answer among all samples; each depends on its own wish only."""
    questions: list[dict[str, object]] = []
    for start, level, language in wishes:
        rng = random.Random(f"{SEED}/{start}/{level}/{language}")
        answer = [sample for sample in samples if sample.path.startswith(start)][-1]
        query = _asked(answer.thing, level, language, rng)
        while [sample for sample in samples if query.matches(sample.thing)] != [answer]:
            query = _asked(answer.thing, level, language, rng)
        expected: dict[str, object] = {"path": answer.path}
        if answer.page is not None:
            expected["page"] = answer.page
        questions.append({"query": _written(query), "expected": expected})
    return questions


def _asked(thing: Thing, level: int, language: str, rng: random.Random) -> Query:
    """A question for a thing among things of every kind."""
    if language == "picture":
        return ask_by_picture(rng.choice(subjects(thing)))
    query = ask_by_picture_and_words(thing, rng, "en") if language == "words" else ask(thing, rng, level, language)
    return replace(query, kinds=frozenset(KINDS))


def _written(query: Query) -> str | dict[str, str]:
    """A query as it stands in queries.json; its picture goes into a hidden folder, which no search looks into."""
    if not query.picture:
        return query.text
    path = FOLDER / ".asked" / f"{query.picture.replace(' ', '-')}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    glyph(query.picture, 128).save(path)
    return {"image": path.relative_to(FOLDER).as_posix()} | ({"text": query.text} if query.text else {})


def make_samples() -> list[Sample]:
    """What the folder holds."""
    source = Source(random.Random(SEED), set())
    return [*make_pictures(source), *make_documents(source), *make_clips(source), *make_notes(source)]


def main() -> None:
    """Write the folder anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    samples = make_samples()
    write(samples)
    questions = make_questions(samples)
    text = json.dumps(questions, ensure_ascii=False, indent=1)
    (FOLDER / "queries.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
