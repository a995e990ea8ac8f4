"""Answer a question about PDFs: find its pages, and let a vision-language model read their pictures.

python examples/pdf_questions.py samples/documents "which page is about a chestnut?" --dry-run
python examples/pdf_questions.py ~/Papers "what does the lease say about pets?" \
    --url http://localhost:8001/v1 --reader Qwen/Qwen3-VL-8B-Instruct --model 2b
"""

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import httpx

from anyseek import Library
from anyseek.errors import AnyseekError
from anyseek.integrations import Spot, data_uri
from anyseek.search import Answers, AskOptions, Filter

TASK = (
    "Answer the question from the pages that are shown, and from nothing else. Name the pages that you used by their "
    "numbers, as in [1] or [2][3]. When the answer is not on them, say so."
)


def main() -> None:
    """Find pages, ask about them, and show the answer with its pages."""
    options = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.library or Path(temporary, "library")
        with Library.open(place, options.model, options.model) as library:
            report = library.index([options.folder])
            for path, reason in report.failed:
                print(f"could not be read: {path}: {reason}")
            # Several pages of one document may be needed, so they are not grouped.
            asked = AskOptions(top=options.pages, per_file=options.pages, group=False)
            pages = library.search(options.question, where=Filter(kinds=("page",)), options=asked)
        if not pages.hits:
            raise SystemExit("no page is about that")
        request = written(options, pages)
    if options.dry_run:
        print(json.dumps(shortened(request), indent=2, ensure_ascii=False))
    else:
        told(answered(options, request), pages)


def parsed() -> argparse.Namespace:
    """The command line."""
    about, _, usage = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of PDFs")
    parser.add_argument("question")
    parser.add_argument("--url", help="of an OpenAI-compatible server, such as http://localhost:8001/v1")
    parser.add_argument("--reader", default="default", help="name of its vision-language model")
    parser.add_argument("--api-key", default="none", help="for it")
    parser.add_argument("--pages", type=int, default=3, help="most pages that are shown (default 3)")
    parser.add_argument("--side", type=int, default=1536, help="longest side of a page in pixels (default 1536)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent, and send nothing")
    parser.add_argument("--model", default="tiny", help="name of a pair of models: tiny (default), 2b, 8b")
    parser.add_argument("--library", type=Path, help="folder to keep what was read; without it nothing is kept")
    options = parser.parse_args()
    if not (options.url or options.dry_run):
        parser.error("say who answers (--url), or --dry-run")
    return options


def written(options: argparse.Namespace, pages: Answers) -> dict[str, Any]:
    """The request: each page as its number, its name and its picture, then the question."""
    shown: list[dict[str, Any]] = []
    for number, hit in enumerate(pages, 1):
        picture = Spot.of(hit).jpeg(side=options.side)
        shown.append({"type": "text", "text": f"[{number}] {hit.paths[0].name}, page {hit.thing.page}"})
        shown.append({"type": "image_url", "image_url": {"url": data_uri(picture)}})
    shown.append({"type": "text", "text": options.question})
    messages = [{"role": "system", "content": TASK}, {"role": "user", "content": shown}]
    return {"model": options.reader, "messages": messages, "temperature": 0}


def answered(options: argparse.Namespace, request: dict[str, Any]) -> str:
    """What the vision-language model says."""
    address = options.url.rstrip("/") + "/chat/completions"
    try:
        reply = httpx.post(address, json=request, headers={"Authorization": f"Bearer {options.api_key}"}, timeout=300)
    except httpx.HTTPError as error:
        raise SystemExit(f"error: {address}: {error}") from None
    if reply.is_error:
        raise SystemExit(f"error: {address} says {reply.status_code}: {reply.text[:500]}")
    return str(reply.json()["choices"][0]["message"]["content"])


def told(answer: str, pages: Answers) -> None:
    """Print the answer, and the pages that it names."""
    print(answer)
    named = {int(number) for number in re.findall(r"\[(\d+)\]", answer)}
    for number, hit in enumerate(pages, 1):
        if number in named:
            print(f"[{number}] {hit.paths[0]}, page {hit.thing.page}")


def shortened(request: Any) -> Any:
    """The request with its pictures as their sizes."""
    if isinstance(request, dict):
        return {name: shortened(value) for name, value in request.items()}
    if isinstance(request, list):
        return [shortened(value) for value in request]
    if isinstance(request, str) and request.startswith("data:"):
        return f"{request[:30]}... ({len(request):,} characters)"
    return request


if __name__ == "__main__":
    try:
        main()
    except AnyseekError as error:
        raise SystemExit(f"error: {error}") from None
