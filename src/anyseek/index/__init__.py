"""The library on disk: things with their vectors, the files they come from, and how they are recalled.

    store = Store.create(folder, Fingerprint(weights=weights_sample(model), ...))    or Store.open(folder)
    with store.write() as writer:                  # one at a time; readers are not disturbed
        writer.put(things, vectors)                # idempotent by id
        writer.put_files([StoredFile(...)])        # after its things: the row that says done
    store.recall(vector, 10, Filter(under="letters")); store.lexical("peer gynt", 10)

A thing counts once a row of `files` with its hash is done; before, it is unfinished work, which the next run overwrites
or `optimize` removes. So a process may die between any two writes.
"""

from anyseek.index.filters import Filter
from anyseek.index.fingerprint import Fingerprint, Precision, weights_sample
from anyseek.index.info import Info
from anyseek.index.rows import FileKey, Kind, Recalled, StoredFile, Thing, hash_of, is_unicode, thing_id
from anyseek.index.store import Store
from anyseek.index.writer import Writer

__all__ = [
    "FileKey",
    "Filter",
    "Fingerprint",
    "Info",
    "Kind",
    "Precision",
    "Recalled",
    "Store",
    "StoredFile",
    "Thing",
    "Writer",
    "hash_of",
    "is_unicode",
    "thing_id",
    "weights_sample",
]
