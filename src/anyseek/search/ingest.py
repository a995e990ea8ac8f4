"""Folders into a library: what changed is read, encoded and stored in batches that a kill at any moment cannot spoil.

For each batch things are written before the rows of files that have all their things. A run that ended early is gone on
with by the next: what is stored of a file that was not finished is kept.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import InputError, SourceError
from anyseek.index import Store, Thing, Writer
from anyseek.media import MediaOptions, open_source
from anyseek.search.looking import (
    LEFT_OUT,
    Ahead,
    Entry,
    Look,
    content_hash,
    estimate,
    look,
    root_of,
    shown,
    state_of,
    still_gone,
)
from anyseek.search.office import missing
from anyseek.search.pieces import Cutting, Unread, content_of, form_of, item_of, pieces_of, thumbnail_of
from anyseek.search.runs import Course, IndexOptions, Progress, Report
from anyseek.search.sources import UNKNOWN

if TYPE_CHECKING:
    from anyseek.engine import Embedder

__all__ = ["Ingest"]

UNNAMED = "its name is not Unicode, so that it cannot be kept; rename it"
NAMED = 3
"""Parts of a file whose errors are named in its row; the others are counted."""
FIRST = 8
"""Things in the first batch, whose time says how large the next may be."""
TELLS = 1.0
"""Seconds after which it is told how far it is, while files are looked into that need no encoding."""


@dataclass(slots=True)
class _Reading:
    """A file that is being read.

    Attributes:
        entry: the file.
        content: its hash.
        errors: what could not be read of it.
        kept: things that are stored.
        new: ids of those that this run has stored.
        copies: other files of this run with the same content.
        changed: it is another file by now.
    """

    entry: Entry
    content: str
    errors: list[str] = field(default_factory=list)
    kept: int = 0
    new: list[str] = field(default_factory=list)
    copies: list[Entry] = field(default_factory=list)
    changed: bool = False


@dataclass(slots=True)
class _Batch:
    """What is encoded together: things with their files, and the files that have no more behind it."""

    things: list[tuple[Thing, _Reading]] = field(default_factory=list)
    closes: list[_Reading] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)


class Ingest:
    """One run over folders.

    Args:
        store: the library.
        embedder: the model whose fingerprint the library has.
        cutting: how long files are cut, as the fingerprint says.
        options: how to run.
        tell: told of the progress after each batch, and about once a second while nothing needs encoding. The run ends
            with what it raises; what was done until then is stored.
        ahead: kept from run to run by a watch, see `look`.
    """

    def __init__(
        self,
        store: Store,
        embedder: "Embedder",
        cutting: Cutting,
        options: IndexOptions = IndexOptions(),
        tell: Callable[[Progress], None] | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self._store, self._embedder, self._cutting, self._options = store, embedder, cutting, options
        self._ahead = ahead
        self._tell = tell or (lambda _: None)
        self._media: MediaOptions = embedder.processor.options.media
        self._report = Report()
        self._finished: dict[str, str | None] = {}
        self._open: dict[str, _Reading] = {}
        self._course = Course(())
        self._size = min(FIRST, options.largest_batch)
        self._told = 0.0

    def run(self, folders: Iterable[Path]) -> Report:
        """Index folders.

        Raises:
            SourceError: a folder is not there; nothing has been done then.
            CapacityError: another process is writing to the library, or the disk is full.
        """
        started = time.perf_counter()
        looks = self._look(folders)
        for seen in looks:
            self._report.found += seen.found
            self._report.unchanged += len(seen.same)
            self._report.waiting += [str(Path(*key)) for key in seen.waiting]
            self._report.unread += seen.unread
            self._report.failed += [(name, UNNAMED) for name in seen.unnamed]
        if any(seen.changed or seen.gone or (self._retags and (seen.same or seen.waiting)) for seen in looks):
            with self._store.write() as writer, ThreadPoolExecutor(self._options.workers) as pool:
                self._write(looks, writer, pool)
        self._report.seconds = time.perf_counter() - started
        return self._report

    @property
    def _retags(self) -> bool:
        """Whether files that the library has are given tags."""
        return bool(self._options.tags) and self._options.tag_known

    def _look(self, folders: Iterable[Path]) -> list[Look]:
        """What has changed in each folder."""
        looks, problems, known = dict[Path, Look](), list[SourceError](), self._store.roots()
        options = self._options
        for folder in folders:
            try:
                root = root_of(folder, known)
                if root not in looks:
                    looks[root] = look(
                        self._store,
                        root,
                        retry=options.retry,
                        settle_seconds=options.settle_seconds,
                        ahead=self._ahead,
                    )
            except SourceError as error:
                problems.append(error)
                self._report.unread.append(shown(str(folder)))
        if problems and not (self._options.absent and looks):
            raise problems[0]
        return list(looks.values())

    def _write(self, looks: list[Look], writer: Writer, pool: ThreadPoolExecutor) -> None:
        """Bring the library up to what was seen. Removing comes last, so that renamed files find their vectors."""
        entries = [entry for seen in looks for entry in seen.changed]
        if entries:
            self._finished = {str(file.hash): file.reason for file in self._store.files() if file.state == "done"}
            estimate(entries, self._media, self._cutting)
            self._course, self._told = Course(entries), time.perf_counter()
            self._read_all(entries, writer, pool)
        for seen in looks:
            gone = still_gone(seen.gone)
            writer.remove_files(gone)
            self._report.removed += len(gone)
            if self._retags and (known := [*seen.same, *seen.waiting]):
                writer.tag(known, add=self._options.tags)
        writer.flush()
        if self._report.changed:
            writer.optimize()

    def _read_all(self, entries: list[Entry], writer: Writer, pool: ThreadPoolExecutor) -> None:
        """Read, encode and store files, a batch at a time."""
        stored = writer.unfinished()
        batch = _Batch()
        for entry in entries:
            self._course.begin(entry)
            reading = self._begin(entry, writer)
            if reading is None:
                self._say_now_and_then(entry, writer)
                continue
            for thing in self._new_things(reading, stored.get(reading.content, frozenset())):
                batch.things.append((thing, reading))
                if self._is_full(batch):
                    self._encode(batch, writer, pool)
                    batch = _Batch()
                    if reading.changed:
                        break
            else:
                batch.closes.append(reading)
        self._encode(batch, writer, pool)

    def _is_full(self, batch: _Batch) -> bool:
        """Whether it is time to encode: slow drives fill no large batch, and what is done is to be stored and told."""
        return len(batch.things) >= self._size or time.perf_counter() - batch.begun >= self._options.batch_seconds

    def _begin(self, entry: Entry, writer: Writer) -> _Reading | None:
        """A file that must be read; None when its row is all that is needed."""
        state = state_of(entry.path)
        if state is None:  # gone since it was seen: the next run finds it so
            self._course.close(entry)
            return None
        entry.size, entry.mtime = state
        try:
            blob = open_source(entry.path, self._media)
            form = form_of(blob)
            reason = UNKNOWN if form is None else missing(form)
            if reason:
                self._close(entry, None, LEFT_OUT + reason, writer)
                return None
            content = content_of(entry.path, blob, form, content_hash(entry.path))
        except SourceError as error:
            if entry.known:  # what is known of it stays, and the next run tries again
                self._report.failed.append((str(entry.path), str(error)))
                self._course.close(entry)
            else:
                self._close(entry, None, str(error), writer)
            return None
        except InputError as error:
            self._close(entry, None, str(error), writer)
            return None
        if content in self._open:
            self._open[content].copies.append(entry)
            return None
        if content in self._finished and not (self._options.retry and self._finished[content]):
            self._report.known += 1
            self._close(entry, content, self._finished[content], writer)
            return None
        self._open[content] = _Reading(entry, content)
        return self._open[content]

    def _new_things(self, reading: _Reading, stored: frozenset[int]) -> Iterator[Thing]:
        """The things of a file that are not stored yet; what cannot be read is noted."""
        if reading.content in self._finished:
            stored = frozenset(thing.part for thing in self._store.things_of(reading.content))
        reading.kept = len(stored)
        self._course.advance(reading.entry, len(stored))
        try:
            for piece in pieces_of(reading.entry.path, reading.content, self._media, self._cutting):
                if isinstance(piece, Unread):
                    reading.errors.append(str(piece.error))
                elif piece.part not in stored:
                    yield piece
        except InputError as error:
            reading.errors.append(str(error))

    def _encode(self, batch: _Batch, writer: Writer, pool: ThreadPoolExecutor) -> None:
        """Encode and store a batch, then close the files that are complete.

        Its files are looked at once more in between: what is stored of other bytes than those that were hashed would
        pass for them after a kill.
        """
        started = time.perf_counter()
        encoded, thumbnails = None, list[Future[bytes | None]]()
        if batch.things:
            thumbnails = [pool.submit(self._thumbnail, thing, reading) for thing, reading in batch.things]
            items = [item_of(thing, reading.entry.path) for thing, reading in batch.things]
            width = self._store.fingerprint.width
            encoded = self._embedder.encode_document(items, on_error="collect", truncate_dim=width)
            wait(thumbnails)
        self._drop_changed(batch, writer)
        self._store_things(batch, encoded, thumbnails, writer)
        for reading in batch.closes:
            if not reading.changed:
                self._finish(reading, writer)
        writer.flush()
        self._pace(len(batch.things), time.perf_counter() - started)
        last = batch.things[-1][1].entry if batch.things else batch.closes[-1].entry if batch.closes else None
        self._say(str(last.path) if last else "")

    def _drop_changed(self, batch: _Batch, writer: Writer) -> None:
        """Let go of the files of a batch that are others by now, with all that this run has stored of them."""
        files = {reading.content: reading for reading in (*(one for _, one in batch.things), *batch.closes)}
        for reading in files.values():
            if state_of(reading.entry.path) == (reading.entry.size, reading.entry.mtime):
                continue
            reading.changed = True
            del self._open[reading.content]
            writer.remove_things(reading.new)
            for entry in (reading.entry, *reading.copies):
                self._report.waiting.append(str(entry.path))
                self._course.close(entry)

    def _store_things(
        self, batch: _Batch, encoded: Any, thumbnails: "list[Future[bytes | None]]", writer: Writer
    ) -> None:
        """Put the things whose vectors are good; note what is wrong with the others."""
        good, rows = [], []
        for row, ((thing, reading), thumbnail) in enumerate(zip(batch.things, thumbnails, strict=True)):
            if reading.changed:
                continue
            self._course.advance(reading.entry, 1)
            vector: NDArray[np.float32] = encoded.vectors[row]
            error = encoded.errors.get(row)
            if error is None and np.isfinite(vector).all() and vector.any():
                good.append(replace(thing, thumbnail=thumbnail.result()))
                rows.append(row)
                reading.kept += 1
                reading.new.append(thing.id)
            else:
                reading.errors.append(_reason(error, thing))
        if good:
            writer.put(good, encoded.vectors[rows])
        self._report.things += len(good)

    def _thumbnail(self, thing: Thing, reading: _Reading) -> bytes | None:
        """A small picture; none of what cannot be decoded, whose vector says so too."""
        if not self._options.thumbnails:
            return None
        try:
            return thumbnail_of(thing, reading.entry.path, self._media)
        except InputError:
            return None

    def _finish(self, reading: _Reading, writer: Writer) -> None:
        """The row of a file that has all its things, and those of its copies."""
        del self._open[reading.content]
        reason = _joined(reading.errors)
        content = reading.content if reading.kept or not reading.errors else None
        if content:
            self._finished[content] = reason
        self._report.indexed += content is not None
        self._close(reading.entry, content, reason, writer)
        for copy in reading.copies:
            self._report.known += content is not None
            self._close(copy, content, reason, writer)

    def _close(self, entry: Entry, content: str | None, reason: str | None, writer: Writer) -> None:
        """Write the row of a file, and report it."""
        if reason and reason.startswith(LEFT_OUT):
            self._report.left_out.append((str(entry.path), reason.removeprefix(LEFT_OUT)))
        elif reason:
            self._report.failed.append((str(entry.path), reason))
        self._course.close(entry)
        self._report.rows += 1
        writer.put_files([entry.row(content, reason, self._tags(entry))])

    def _tags(self, entry: Entry) -> tuple[str, ...] | None:
        """The tags of a row; None leaves those that it has."""
        if not self._options.tags or (entry.tags is not None and not self._options.tag_known):
            return None
        return tuple(sorted({*(entry.tags or ()), *self._options.tags}))

    def _pace(self, count: int, seconds: float) -> None:
        """Choose the size of the next batch, so that it takes as long as wanted; at most twice this one."""
        self._course.pace(count, seconds)
        if count:
            wanted = count * self._options.batch_seconds / max(seconds, 1e-3)
            self._size = int(max(1, min(wanted, 2 * self._size, self._options.largest_batch)))

    def _say(self, path: str) -> None:
        """Tell how far it is."""
        self._told = time.perf_counter()
        self._tell(self._course.progress(path, self._report.things))

    def _say_now_and_then(self, entry: Entry, writer: Writer) -> None:
        """Tell how far it is when that was a while ago; the rows of files are kept if the run is to end here."""
        if time.perf_counter() - self._told < TELLS:
            return
        with ExitStack() as ended:
            ended.callback(writer.flush)
            self._say(str(entry.path))
            ended.pop_all()


def _reason(error: InputError | None, thing: Thing) -> str:
    """What was wrong with a part, without its place in a call that nobody made."""
    said = str(error.args[0]) if error and error.args else "the model gave no vector for it"
    return said if thing.part == 0 and thing.page is None else f"{thing.kind} {thing.part + 1}: {said}"


def _joined(errors: list[str]) -> str | None:
    """One line for what is wrong with a file."""
    if not errors:
        return None
    more = f"; and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
    return "; ".join(errors[:NAMED]) + more
