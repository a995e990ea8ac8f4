"""Media of a dataset: paths that never lead out of its folder, and whether a file is of the kind it should be."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from anyseek.errors import InputError, RefusedError, SourceError
from anyseek.media import Blob, MediaOptions, open_source, sniff

__all__ = ["check_file", "checked_kind", "inside"]


def inside(folder: Path, name: str) -> Path:
    """The path of a medium that a row names.

    Args:
        folder: of the dataset, absolute and without links.
        name: relative path, with `/` between folders.

    Raises:
        InputError: no text, or an empty one.
        RefusedError: an address, an absolute path, or one that leads out of the folder, also over a link.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"a medium is named by a path (got {name!r})")
    short = name[:100]
    if "://" in name or name.startswith("data:"):
        raise RefusedError(f"{short!r} is an address; a dataset holds its media, as paths relative to its folder")
    pure, other = PurePosixPath(name), PureWindowsPath(name)
    if pure.is_absolute() or other.drive or other.root:
        raise RefusedError(f"{short!r} is an absolute path; media are named relative to the dataset's folder")
    if ".." in pure.parts or ".." in other.parts:
        raise RefusedError(f"{short!r} leads out of the dataset's folder")
    path = folder / name
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, half a character
        raise SourceError(f"{short!r} cannot be followed ({error})") from error
    if not real.is_relative_to(folder):
        raise RefusedError(f"{short!r} is a link that leads out of the dataset's folder")
    return path


def check_file(path: Path, kind: str) -> None:
    """Look at the first bytes of a medium.

    Args:
        path: the file.
        kind: `image`, `video` or `pdf`; empty for any of these or text.

    Raises:
        SourceError: it is missing or cannot be read.
        InputError: it is empty or of another kind.
    """
    checked_kind(open_source(path, MediaOptions(urls=False)), kind, path.name)


def checked_kind(blob: Blob, wanted: str, name: str) -> str:
    """The kind of a medium: `image`, `video`, `pdf` or `text`; an animated picture is a video where one is wanted.

    Args:
        blob: the medium.
        wanted: as `check_file` takes it.
        name: for the message.

    Raises:
        InputError: it is of another kind.
    """
    head = blob.head()
    found = "video" if wanted == "video" and head.startswith(b"GIF8") else sniff(head)
    if found is None or (wanted and found != wanted):
        raise InputError(f"{name} should be of kind {wanted or 'image, video, pdf or text'} (it is {found})")
    return found
