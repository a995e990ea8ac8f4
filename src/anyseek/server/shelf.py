"""The library that is served: its models read by the right rules, its folders by name, and what keeps it up to date."""

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyseek.errors import CapacityError, ConfigError, SourceError
from anyseek.media import MediaOptions
from anyseek.server.faults import Fault
from anyseek.server.indexing import Indexing
from anyseek.server.queued import queued

if TYPE_CHECKING:
    from anyseek.search import Library
    from anyseek.server.engine import Engine
from anyseek.server.models import Models

__all__ = ["Shelf"]

log = logging.getLogger("anyseek.server")

UPLOADS = "uploads"
"""Folder of a library, and its name, for files that were sent to it."""
DAY = 86_400


class Shelf:
    """One library, or none: then everything that is asked of it is a 404 that says how to have one.

    Attributes:
        place: where it lies, a folder or an address of object storage; None for none.
        folders: indexed into it from the start.
        model: name of the model that it is made with.
    """

    def __init__(
        self,
        engine: "Engine",
        place: Path | str | None,
        folders: tuple[Path, ...] = (),
        *,
        held_bytes: int = 0,
    ) -> None:
        """Serve the library that lies at `place`, once it is opened, and index folders then.

        Args:
            engine: computes for it.
            place: None for no library.
            folders: beside those that it knows.
            held_bytes: most memory for its vectors, which are searched on disk while they take more.
        """
        self.place, self.folders = place, folders
        self._held_bytes = held_bytes
        self._engine = engine
        self.model = ""
        self._library: Library | None = None
        self._indexing: Indexing | None = None
        self._names: dict[str, str] = {}
        self._naming = threading.Lock()
        self._holding = threading.Lock()

    def open(self, models: "Models") -> None:
        """Open the library, or make it, with models that the engine owns.

        What strangers send is read by the rules of the server, files by those of the library.

        Raises:
            ConfigError: the library was made with another model or other settings.
            SourceError: a folder is not there.
        """
        if self.place is None:
            return
        from anyseek.index import Store
        from anyseek.search import Library
        from anyseek.search.prints import MEDIA, load_options

        if models.embedder is None:
            raise ConfigError("a library needs an embedding model")
        given = models.embedder.processor.options
        try:
            shown = load_options(Store.open(self.place).fingerprint)
        except SourceError:
            media = MediaOptions(**{name: getattr(given.media, name) for name in MEDIA})
            shown = {"media": media, "parse_special": True}
        own = replace(given, **shown)
        orient = {name: getattr(own.media, name) for name in MEDIA}
        strict = replace(own, media=replace(given.media, **orient), parse_special=False)
        reranker = models.reranker
        if reranker is not None:
            read = replace(reranker.processor.options, limits=own.limits, media=own.media, parse_special=False)
            reranker = queued(reranker, self._engine, read)
        embedder = queued(models.embedder, self._engine, own)
        library = Library.open(self.place, embedder, reranker, fusion=models.fusion)
        library.queries = queued(models.embedder, self._engine, strict)
        self.model = models.names["embedding"][0]
        self._indexing = Indexing(library, self.folders, self._hold)
        self._library = library
        for left in Path(self._uploads).glob(".*.part") if self._uploads else ():
            if time.time() - left.stat().st_mtime > DAY:  # of a server that ended while it was coming
                left.unlink(missing_ok=True)

    def begin(self) -> None:
        """When the models are ready: hold the vectors, and bring the library up to date with the folders named."""
        if self._indexing is None:
            return
        threading.Thread(target=self._hold, name="anyseek-holding", daemon=True).start()
        if self.folders:
            self._indexing.start()

    def stop(self) -> None:
        """Have what runs end, between two batches."""
        if self._indexing is not None:
            self._indexing.stop()

    def close(self) -> None:
        """Stop what runs, between two batches."""
        if self._indexing is not None:
            self._indexing.close()

    @property
    def library(self) -> "Library":
        """The library.

        Raises:
            Fault: 404 when none is served, 503 while it is being opened.
        """
        self._check()
        assert self._library is not None
        return self._library

    @property
    def indexing(self) -> Indexing:
        """What keeps it up to date; raises as `library`."""
        self._check()
        assert self._indexing is not None
        return self._indexing

    @property
    def uploads(self) -> Path:
        """Folder of what was sent; made with the first of it.

        Raises:
            Fault: 409 where the library lies on object storage, beside those of `library`.
        """
        self._check()
        if self._uploads is None:
            text = "this library lies on object storage and keeps no files; put them into a folder that it indexes"
            raise Fault(409, text, "no_uploads")
        return Path(self._uploads)

    @property
    def _uploads(self) -> str | None:
        """Folder of what was sent, or None where there can be none."""
        store = self.library.store
        return None if store.is_remote else str(Path(store.folder).resolve() / UPLOADS)

    def name_of(self, root: str) -> str:
        """What a folder is called outside: by its own name, never by its place."""
        if root not in self._names:
            self._learn()
        return self._names.get(root, Path(root).name)

    def roots(self, names: list[str], param: str) -> tuple[str, ...]:
        """Folders by what they are called, in the field `param` of a request.

        Raises:
            Fault: 400 for a name that none has.
        """
        self._learn()
        known = {name: root for root, name in self._names.items()}
        for name in names:
            if name not in known:
                text = f"the library has no folder {name[:100]!r}; it has {', '.join(sorted(known)) or 'none'}"
                raise Fault(400, text, "folder_not_found", param=param)
        return tuple(known[name] for name in names)

    def plain(self, text: str) -> str:
        """A message with the names of folders in place of where they lie."""
        places = {**self._names, str(self.library.store.folder): "the library"}
        if self._uploads is not None:
            places[self._uploads] = UPLOADS
        for place in sorted(places, key=len, reverse=True):
            text = text.replace(place, places[place])
        return text

    def _hold(self) -> None:
        """Hold the vectors, or read what a job has changed of them, if they take no more memory than they may."""
        if not self._held_bytes:
            return
        with self._holding:
            try:
                self.library.store.hold(self._held_bytes)
            except (CapacityError, MemoryError) as error:
                log.info("searches read the disk: %s", error)

    def _check(self) -> None:
        """Raise Fault where there is no library."""
        if self.place is None:
            text = "no library is served here; start the server with one: anyseek serve FOLDER, or --library DIR"
            raise Fault(404, text, "no_library")
        if self._library is None:
            raise Fault(503, "the library is being opened", "not_ready", retry_after=5)

    def _learn(self) -> None:
        """Name all folders; those of equal names get a number."""
        own, names = self._uploads, dict[str, str]()
        for root in self.library.store.roots():
            plain = UPLOADS if root == own else Path(root).name or "folder"
            name, number = plain, 2
            while name in names.values() or (name == UPLOADS and root != own):
                name, number = f"{plain} ({number})", number + 1
            names[root] = name
        with self._naming:
            self._names = names
