"""Find the moment in films that words or a picture tell of, and cut it out.

python examples/video_moments.py samples/clips "a lollipop that moves down"
python examples/video_moments.py ~/Videos "the dog jumps into the lake" --model 2b --cut moment.mp4
"""

import argparse
import tempfile
from pathlib import Path

import av

from anyseek import Image, Item, Library, Text
from anyseek.errors import AnyseekError
from anyseek.search import AskOptions, Cutting, Filter, LibrarySettings


def main() -> None:
    """Index the folder in segments, ask, and cut."""
    options = parsed()
    length = options.seconds
    settings = LibrarySettings(cutting=Cutting(segment_seconds=length, segment_overlap=length / 4))
    with tempfile.TemporaryDirectory() as temporary:
        place = options.library or Path(temporary, "library")
        with Library.open(place, options.model, options.model, settings=settings) as library:
            report = library.index([options.folder])
            for path, reason in report.failed:
                print(f"could not be read: {path}: {reason}")
            picture = [Image(options.image)] if options.image else []
            words = [Text(options.words)] if options.words else []
            # Segments of one film are moments of their own here, so they are not grouped.
            asked = AskOptions(top=options.top, per_file=options.top, group=False)
            moments = library.search(Item((*picture, *words)), where=Filter(kinds=("video",)), options=asked).hits
    for hit in moments:
        print(f"{hit.score:5.2f}  {clock(hit.thing.start)} to {clock(hit.thing.end)}  {hit.paths[0]}")
    if not moments:
        raise SystemExit("no moment tells of that")
    if options.cut:
        best = moments[0]
        cut(best.paths[0], best.thing.start or 0.0, best.thing.end or 0.0, options.cut)
        print(f"the first is in {options.cut}")


def parsed() -> argparse.Namespace:
    """The command line."""
    about, _, usage = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of films")
    parser.add_argument("words", nargs="?", help="what is sought")
    parser.add_argument("--image", type=Path, help="a picture of what is sought")
    parser.add_argument("--top", type=int, default=3, help="most moments (default 3)")
    parser.add_argument("--seconds", type=float, default=16, help="length of a moment (default 16)")
    parser.add_argument("--cut", type=Path, metavar="FILE", help="write the best moment into a new .mp4 or .mkv file")
    parser.add_argument("--model", default="tiny", help="name of a pair of models: tiny (default), 2b, 8b")
    parser.add_argument("--library", type=Path, help="folder to keep what was read; without it nothing is kept")
    options = parser.parse_args()
    if not (options.words or options.image):
        parser.error("say what is sought: words, --image FILE, or both")
    if options.cut and options.cut.exists():
        parser.error(f"{options.cut} is there already")
    if options.cut and options.cut.suffix not in (".mp4", ".mkv"):
        parser.error(f"--cut writes .mp4 or .mkv, not {options.cut.name}")
    return options


def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds."""
    minutes, rest = divmod(seconds or 0.0, 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def cut(film: Path, start: float, end: float, target: Path) -> None:
    """Write the pictures from `start` to before `end` into a file of their own, without sound."""
    with av.open(film) as source, av.open(target, "w") as result:
        shown = source.streams.video[0]
        ticks = 1 / shown.time_base
        first = shown.start_time or 0  # seconds count from the first picture
        begin, stop = first + round(start * ticks), first + round(end * ticks)
        written = result.add_stream("libx264", rate=shown.average_rate, options={"crf": "18"})
        written.width, written.height = shown.width // 2 * 2, shown.height // 2 * 2  # H.264 wants even sides
        written.pix_fmt, written.codec_context.time_base = "yuv420p", shown.time_base
        source.seek(begin, stream=shown)  # to the key frame before it
        for frame in source.decode(shown):
            if frame.pts >= stop:
                break
            if frame.pts >= begin:
                plain = frame.reformat(written.width, written.height, "yuv420p")
                plain.pts, plain.time_base, plain.pict_type = frame.pts - begin, shown.time_base, 0
                result.mux(written.encode(plain))
        result.mux(written.encode(None))


if __name__ == "__main__":
    try:
        main()
    except AnyseekError as error:
        raise SystemExit(f"error: {error}") from None
