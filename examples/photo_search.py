"""Search pictures by words, by a picture, or by both.

python examples/photo_search.py samples/pictures "a fish on a yellow background"
python examples/photo_search.py samples/pictures --image samples/.asked/fish.png --more 3
python examples/photo_search.py ~/Pictures "at night" --image bridge.jpg --model 2b --library ~/pictures.library
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from anyseek import Image, Item, Library, Text
from anyseek.errors import AnyseekError
from anyseek.search import Answer, AskOptions, Filter

PICTURES = Filter(kinds=("image",))


def main() -> None:
    """Index the folder, then ask."""
    options = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.library or Path(temporary, "library")
        with Library.open(place, options.model, options.model) as library:
            report = library.index([options.folder])
            print(f"{report.found} files, {report.things} read anew in {report.seconds:.1f} s")
            for path, reason in report.failed:
                print(f"could not be read: {path}: {reason}")

            picture = [Image(options.image)] if options.image else []
            words = [Text(options.words)] if options.words else []
            answers = library.search(Item((*picture, *words)), where=PICTURES, options=AskOptions(top=options.top))
            show(answers, options.folder)

            if options.more and answers.hits:
                print("\nmore like the first:")
                more = library.like(answers.hits[0].id, where=PICTURES, options=AskOptions(top=options.more))
                show(more, options.folder)


def parsed() -> argparse.Namespace:
    """The command line."""
    about, _, usage = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("words", nargs="?", help="what is sought")
    parser.add_argument("--image", type=Path, help="a picture of what is sought")
    parser.add_argument("--top", type=int, default=5, help="most answers (default 5)")
    parser.add_argument("--more", type=int, default=0, metavar="N", help="then N pictures like the best one")
    parser.add_argument("--model", default="tiny", help="name of a pair of models: tiny (default), 2b, 8b")
    parser.add_argument("--library", type=Path, help="folder to keep what was read; without it nothing is kept")
    options = parser.parse_args()
    if not (options.words or options.image):
        parser.error("say what is sought: words, --image FILE, or both")
    return options


def show(answers: Iterable[Answer], folder: Path) -> None:
    """A table as wide as the terminal: the reranker's probability, where it has read the picture, else the cosine."""
    room = shutil.get_terminal_size().columns - len("score  ")
    print("score  picture")
    rows = list(answers)
    for hit in rows:
        path = hit.paths[0]
        name = str(path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path)
        name = name if len(name) <= room else "…" + name[-(room - 1) :]
        print(f"{hit.score if hit.reranked else hit.similarity:5.2f}  {name}")
    if not rows:
        print("nothing relevant here")


if __name__ == "__main__":
    try:
        main()
    except AnyseekError as error:
        raise SystemExit(f"error: {error}") from None
