"""A library: folders that are indexed once, kept up to date, and asked."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.engine import Embedder, Reranker
from anyseek.errors import CapacityError, InputError, SourceError
from anyseek.index import Filter, Info, Store, StoredFile, Thing
from anyseek.items import Item
from anyseek.search.answers import Answer, Answers, Asked, AskOptions, Tell
from anyseek.search.asking import Readers, answer
from anyseek.search.fusion import Fusion
from anyseek.search.ingest import Ingest
from anyseek.search.judge import Judge
from anyseek.search.looking import Ahead, real, root_of
from anyseek.search.prints import LibrarySettings, fingerprint_of, load_options, settings_of, weights_of
from anyseek.search.runs import IndexOptions, Progress, Report
from anyseek.vectors import normalize

__all__ = ["Library", "forget"]

RESTS = 20
"""A watch rests at least so many times as long as a look takes."""
SETTLES = 2.0
"""Seconds that a file must be left alone before a watch takes it."""


class Library:
    """Pictures, documents, texts and films of some folders, stored with their vectors.

    Example:
        >>> with Library.open("photos.library", "2b", "2b") as library:  # doctest: +SKIP
        ...     library.index([Path("~/Pictures")])
        ...     for hit in library.search("a red apple left of a dog"):
        ...         print(hit.paths[0], hit.score)
    """

    def __init__(
        self, store: Store, embedder: Embedder, reranker: Reranker | None = None, fusion: Fusion | None = None
    ) -> None:
        """Join what is already open; see `open`, which also checks that it fits together.

        `queries`, which reads queries, is the embedder unless you set another: the same model with other rules, such as
        those for what strangers send.
        """
        self.store = store
        self.embedder = self.queries = embedder
        self.reranker = reranker
        beside = Fusion.beside(reranker.source) if reranker else Fusion()
        self._readers = Readers(embedder, reranker, fusion or beside, _judge(store, embedder, reranker))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        embedder: Embedder | str | Path,
        reranker: Reranker | str | Path | None = None,
        *,
        settings: LibrarySettings | None = None,
        fusion: Fusion | None = None,
        create: bool = True,
    ) -> "Library":
        """Open a library, or make an empty one.

        Args:
            folder: of the library.
            embedder: the model, or its name, see `Embedder.load`; a library is always asked with the one it was made
                with. One that is loaded here by its name reads files as the library has it (pixels, frames).
            reranker: reads the best candidates again; None leaves the order of the first stage.
            settings: of a new library; for one that is there they are checked when they are given.
            fusion: how the reranker's opinion and the cosine become one; None takes what lies beside the reranker.
            create: make the library when there is none.

        Raises:
            ConfigError: the library was made with another model or other settings; names what differs.
            SourceError: there is none, and `create` is False.
            CheckpointError: a model is not on this machine.
        """
        try:
            store: Store | None = Store.open(folder)
        except SourceError:
            if not create:
                raise
            store = None
        shown = load_options(store.fingerprint) if store else {}
        model = embedder if not isinstance(embedder, (str, Path)) else Embedder.load(embedder, **shown)
        second = Reranker.load(reranker, **shown) if isinstance(reranker, (str, Path)) else reranker
        if store is None:
            store = Store.create(folder, fingerprint_of(model, settings or LibrarySettings()))
        else:
            store.check(fingerprint_of(model, settings or settings_of(store.fingerprint)))
        return cls(store, model, second, fusion)

    def index(
        self,
        folders: Iterable[str | Path] | str | Path | None = None,
        *,
        options: IndexOptions = IndexOptions(),
        tell: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Bring the library up to date with folders: what is new or changed is encoded, what is gone leaves.

        Files that did not change cost nothing, renamed ones and copies keep their vectors. A run that was stopped, in
        whatever way, is gone on with by the next. The library can be asked while it runs.

        Args:
            folders: None takes all that were indexed before.
            options: how to run.
            tell: told of the progress after each batch, and about once a second while nothing needs encoding; the run
                ends with what it raises, and the next goes on.

        Raises:
            SourceError: a folder is not there; nothing has been done then. Of those that were indexed before, when none
                is there; otherwise the others are brought up to date.
            CapacityError: another process is writing to the library, or the disk is full.
        """
        how = replace(options, absent=True) if folders is None else options
        return self._ingest(how, tell).run(self.roots() if folders is None else _listed(folders))

    def watch(
        self,
        folders: Iterable[str | Path] | str | Path | None = None,
        *,
        every: float = 5.0,
        options: IndexOptions = IndexOptions(),
        tell: Callable[[Progress], None] | None = None,
    ) -> Iterator[Report | Exception]:
        """Index, and go on indexing what changes, until you stop taking reports.

        Each round is a look at names, sizes and times, as `index` begins with. That works on every drive, network ones
        among them, and misses nothing while it was not running. It takes a twentieth of the time at most.

        Args:
            folders: None takes all that were indexed before.
            every: seconds of rest between two rounds, at least.
            options: how to run; `retry`, and `tags` of files that the library has, are of the first round.
            tell: as for `index`.

        Yields:
            The report of each round in which something changed, or a folder went away, and the first one in any case;
            or an error that may pass: no folder is there, another process is writing, the disk is full.
        """
        roots = self.roots() if folders is None else [root_of(folder) for folder in _listed(folders)]
        settled = replace(options, settle_seconds=max(options.settle_seconds, SETTLES), absent=True)
        first, told, ahead = True, list[str](), Ahead()
        while True:
            started, report = time.perf_counter(), None
            try:
                report = self._ingest(settled, tell, ahead).run(roots)
            except (SourceError, CapacityError) as error:
                missing = [str(error)]
                if missing != told:
                    yield error
            else:
                missing = report.unread
                if first or report.changed or (missing and missing != told):
                    yield report
                settled, first = replace(settled, retry=False, tag_known=False), False
            told = missing
            looked = 0.0 if report and report.changed else time.perf_counter() - started
            time.sleep(max(every, RESTS * looked))

    def search(
        self,
        query: Any,
        *,
        where: Filter | None = None,
        unlike: Sequence[Any] = (),
        options: AskOptions = AskOptions(),
        tell: Tell | None = None,
    ) -> Answers:
        """What is relevant to a query, best first.

        Args:
            query: what `Item.of` takes: text, a picture, both, with or without an instruction.
            where: which files and things count.
            unlike: examples of what is not sought: as `query`, or answers and things of this library.
            options: how many, how words count, what is read again and left out.
            tell: told the answers of the first stage, before any is read again, and how many have been.

        Raises:
            InputError: the query, or an example, cannot be used.
        """
        item = Item.of(query)
        vector = self._encoded([item], ["query"])[0]
        asked = Asked(item=item, vector=vector, unlike=self._examples(unlike))
        return answer(self.store, asked, where, options, self._readers, tell)

    def like(
        self,
        id: str,
        *,
        where: Filter | None = None,
        unlike: Sequence[Any] = (),
        options: AskOptions = AskOptions(),
    ) -> Answers:
        """Things like one of the library, best first, by their vectors; itself, and copies of it, are not among them.

        Args:
            id: of the thing, `Answer.id`.
            where: which files and things count.
            unlike: examples of what is not sought, as for `search`.
            options: how many.

        Raises:
            InputError: the library has no such thing, or an example cannot be used.
        """
        vector = self.store.vectors([id])[0]
        asked = Asked(item=Item(), vector=vector, unlike=self._examples(unlike), known=id)
        return answer(self.store, asked, where, options, self._readers.without_reading())

    def thumbnail(self, id: str) -> bytes | None:
        """A small picture of a thing as the bytes of a WebP file; None for a text, or where none was kept."""
        return self.store.thumbnails([id]).get(id)

    def roots(self) -> list[Path]:
        """The folders that were indexed."""
        return [Path(root) for root in self.store.roots()]

    def failures(self) -> list[StoredFile]:
        """Files that could not be read, or not whole, or were left out, each with its reason."""
        return [file for file in self.store.files() if file.reason]

    def forget(self, folder: str | Path) -> int:
        """Let a folder go, with all its files; how many there were.

        Raises:
            InputError: it was not indexed.
        """
        return forget(self.store, folder)

    def info(self) -> Info:
        """What the library is: how many things, how large, how it is searched."""
        return self.store.info()

    def close(self) -> None:
        """Let go of the models and of what is held in memory."""
        del self.store, self.embedder, self.queries, self.reranker, self._readers

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ingest(
        self, options: IndexOptions, tell: Callable[[Progress], None] | None, ahead: Ahead | None = None
    ) -> Ingest:
        """One run over folders."""
        cutting = settings_of(self.store.fingerprint).cutting
        return Ingest(self.store, self.embedder, cutting, options, tell, ahead)

    def _encoded(self, items: list[Item], places: list[str]) -> NDArray[np.float32]:
        """`(items, width)` of length 1, as queries; what is wrong with one is told with its place."""
        try:
            vectors: NDArray[np.float32] = self.queries.encode_query(items, truncate_dim=self.store.fingerprint.width)
        except InputError as error:
            place_of = {f"items[{number}]": place for number, place in enumerate(places)}
            if error.place in place_of:
                error.at(place_of[error.place])
            raise
        return normalize(vectors)

    def _examples(self, unlike: Sequence[Any]) -> NDArray[np.float32]:
        """`(examples, width)` of length 1."""
        known = [example.id for example in unlike if isinstance(example, (Answer, Thing))]
        given = {f"unlike[{n}]": one for n, one in enumerate(unlike) if not isinstance(one, (Answer, Thing))}
        rows = [self.store.vectors(known)] if known else []
        rows += [self._encoded([Item.of(one) for one in given.values()], list(given))] if given else []
        return np.concatenate(rows) if rows else np.zeros((0, self.store.fingerprint.width), np.float32)


def _listed(folders: Iterable[str | Path] | str | Path) -> list[Path]:
    """Folders; one alone needs no list around it."""
    return [Path(folder) for folder in ([folders] if isinstance(folders, (str, Path)) else folders)]


def forget(store: Store, folder: str | Path) -> int:
    """Let a folder of a library go, with all its files; how many there were.

    Raises:
        InputError: it was not indexed.
    """
    root = real(folder)
    keys = [file.key for file in store.files(Filter(roots=(root,)))]
    if not keys:
        known = ", ".join(store.roots()) or "none"
        raise InputError(f"{root} was not indexed; the folders of this library: {known}")
    with store.write() as writer:
        writer.remove_files(keys)
        writer.optimize()
    return len(keys)


def _judge(store: Store, embedder: Embedder, reranker: Reranker | None) -> Judge | None:
    """The judge that lies beside the models, if it was fitted for them."""
    if reranker is None:
        return Judge.beside(embedder.source, store.fingerprint.cosines)
    if reranker.source is None:
        return None
    return Judge.beside(reranker.source, store.fingerprint.cosines, weights_of(reranker, reranker.source))
