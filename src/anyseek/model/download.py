"""Bringing a model from Hugging Face or ModelScope: only the files we read, resumed, and checked by SHA-256."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anyseek.errors import CapacityError, CheckpointError, ConfigError
from anyseek.model.hub import HUB_ID, Kind, folder_of, is_complete, released

if TYPE_CHECKING:
    import httpx

__all__ = ["Progress", "RemoteFile", "download"]

Progress = Callable[[str, int, int], None]
"""Called with file name, bytes there, bytes in all."""

WANTED = frozenset(
    {
        "config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "video_preprocessor_config.json",
    }
)
MODELSCOPE = "https://modelscope.cn"
TRIES = 10  # calls of Hugging Face's library for one file
STALLS = 3  # broken connections in a row that brought nothing before a download is given up


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as the hub describes it; `sha256` is None where the hub has none."""

    name: str
    size: int
    sha256: str | None


def download(
    name: str,
    kind: Kind,
    *,
    source: Literal["huggingface", "modelscope"] = "huggingface",
    endpoint: str | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Bring a model onto this machine and return its folder; what is there already is kept and only checked.

    Args:
        name: short name (`2b`, `8b`) or hub id.
        kind: which of a pair.
        source: the hub to take it from.
        endpoint: address of the hub; None takes the hub's own (for Hugging Face, that library's setting).
        folder: None takes Hugging Face's cache, or our own folder for ModelScope.
        progress: told about each file.

    Raises:
        CheckpointError: the hub cannot be reached, lacks a file, or twice sent bytes that fail their checksum.
        CapacityError: not enough room on the disk.
        ConfigError: an unknown name or source.
    """
    model = released(name, kind)
    hub_id = model.hub_id if model else name
    if not HUB_ID.match(hub_id):
        raise ConfigError(f"unknown model {name!r}; choose 2b, 8b, or a hub name like owner/model")
    if source == "huggingface":
        return _from_huggingface(hub_id, endpoint, folder, progress or _silent)
    if source == "modelscope":
        return _from_modelscope(hub_id, endpoint or MODELSCOPE, folder_of(hub_id, folder), progress or _silent)
    raise ConfigError(f"unknown source {source!r}; choose huggingface or modelscope")


def _silent(name: str, done: int, total: int) -> None:
    """The progress of a caller who did not ask."""


def _wanted(files: Sequence[RemoteFile], hub_id: str) -> list[RemoteFile]:
    """The files we read, in the top folder only; raises CheckpointError when the model cannot be complete."""
    chosen = [file for file in files if file.name in WANTED or _is_weights(file.name)]
    names = {file.name for file in chosen}
    missing = [name for name in ("config.json", "tokenizer.json") if name not in names]
    if not any(map(_is_weights, names)):
        missing.append("*.safetensors")
    if missing:
        raise CheckpointError(f"{hub_id} has no {', '.join(missing)} on this hub, so it cannot be used")
    return sorted(chosen, key=lambda file: (file.size, file.name))


def _is_weights(name: str) -> bool:
    """True for a weight file in the top folder."""
    return name.endswith(".safetensors") and "/" not in name and "\\" not in name


def _check_room(folder: Path, needed: int) -> None:
    """Raise CapacityError when the disk under `folder` has less than `needed` bytes and 1 % to spare."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed * 1.01 > free:
        raise CapacityError(
            f"the download needs {needed / 1e9:.1f} GB but {place} has {free / 1e9:.1f} GB free; "
            "make room or choose another folder"
        )


def _sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_sound(path: Path, file: RemoteFile) -> bool:
    """True when size and, where the hub gives one, checksum agree."""
    return path.stat().st_size == file.size and (file.sha256 is None or _sha256(path) == file.sha256)


def _bad_checksum(hub_id: str, file: RemoteFile) -> CheckpointError:
    """What is raised after the second corrupt copy."""
    return CheckpointError(
        f"{file.name} of {hub_id} arrived corrupt twice (its SHA-256 is not the hub's) and was deleted; "
        "try again later or from the other source"
    )


def _finished(hub_id: str, folder: Path) -> Path:
    """The folder, once everything its index names is there."""
    if not is_complete(folder):
        raise CheckpointError(f"{hub_id} is incomplete on this hub: its index names weight files that are not there")
    return folder


# Hugging Face: into that library's cache, where other tools find it too


def _from_huggingface(hub_id: str, endpoint: str | None, cache: Path | None, progress: Progress) -> Path:
    """Download with `huggingface_hub`, which resumes but does not check checksums."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    with _readable_failures(hub_id, endpoint or constants.ENDPOINT):
        info = HfApi(endpoint=endpoint).model_info(hub_id, files_metadata=True)
    files = [
        RemoteFile(entry.rfilename, entry.size or 0, entry.lfs.sha256 if entry.lfs else None)
        for entry in info.siblings or []
    ]
    files = _wanted(files, hub_id)
    place = cache or Path(constants.HF_HUB_CACHE)
    here = [try_to_load_from_cache(hub_id, file.name, cache_dir=cache, revision=info.sha) for file in files]
    _check_room(place, sum(file.size for file, there in zip(files, here, strict=True) if not isinstance(there, str)))
    paths = [_hf_file(hub_id, file, (info.sha, endpoint, cache), progress) for file in files]
    folder = _finished(hub_id, paths[0].parent)
    main = folder.parents[1] / "refs" / "main"  # a download by commit leaves none, and other tools look there
    main.parent.mkdir(exist_ok=True)
    main.write_text(folder.name, encoding="utf-8")
    return folder


def _hf_file(hub_id: str, file: RemoteFile, at: tuple[str | None, str | None, Path | None], progress: Progress) -> Path:
    """One checked file; a corrupt copy is deleted and fetched once more."""
    from huggingface_hub import constants

    revision, endpoint, cache = at
    options = {"revision": revision, "endpoint": endpoint, "cache_dir": cache}
    progress(file.name, 0, file.size)
    for again in (False, True):
        with _readable_failures(f"{hub_id}/{file.name}", endpoint or constants.ENDPOINT):
            path = _hf_fetch(hub_id, file.name, {**options, "force_download": again})
        if _is_sound(path, file):
            progress(file.name, file.size, file.size)
            return path
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    raise _bad_checksum(hub_id, file)


def _hf_fetch(hub_id: str, name: str, options: dict[str, Any]) -> Path:
    """Bring one file; the library goes on where a broken connection stopped, but only when it is called again."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    for left in reversed(range(TRIES)):
        try:
            return Path(hf_hub_download(hub_id, name, **options))
        except OSError as error:
            final = isinstance(error, (HfHubHTTPError, LocalEntryNotFoundError)) or error.errno is not None
            if final or not left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


@contextmanager
def _readable_failures(what: str, endpoint: str) -> Iterator[None]:
    """Turn what a hub or the network raises into one CheckpointError line."""
    import httpx

    try:
        yield
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{what} could not be downloaded from {endpoint}: {reason[0]} (what has arrived is kept for the next try)"
        ) from error


# ModelScope: its public HTTP API, into our own folder


def _from_modelscope(hub_id: str, endpoint: str, folder: Path, progress: Progress) -> Path:
    """Download file by file with `Range` requests."""
    import httpx

    timeout = httpx.Timeout(30.0, read=60.0)
    with httpx.Client(base_url=endpoint, follow_redirects=True, timeout=timeout) as client:
        with _readable_failures(hub_id, endpoint):
            files = _wanted(_listing(client, hub_id), hub_id)
        _check_room(folder, sum(file.size for file in files) - _bytes_there(folder, files))
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            _modelscope_file(client, hub_id, file, folder, progress)
    return _finished(hub_id, folder)


def _listing(client: "httpx.Client", hub_id: str) -> list[RemoteFile]:
    """The files of a model: `Data.Files[]` with `Path`, `Size` and `Sha256`."""
    import httpx

    response = client.get(f"/api/v1/models/{hub_id}/repo/files", params={"Revision": "master", "Recursive": "true"})
    response.raise_for_status()
    try:
        entries = response.json()["Data"]["Files"]
        return [
            RemoteFile(entry["Path"], int(entry["Size"]), entry.get("Sha256") or None)
            for entry in entries
            if entry.get("Type") != "tree"
        ]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise httpx.DecodingError(f"unexpected answer to the file list ({type(error).__name__})") from error


def _bytes_there(folder: Path, files: Sequence[RemoteFile]) -> int:
    """Bytes of earlier downloads, whole or partial."""
    paths = [folder / (file.name + ending) for file in files for ending in ("", ".part")]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _modelscope_file(client: "httpx.Client", hub_id: str, file: RemoteFile, folder: Path, progress: Progress) -> None:
    """One checked file; it gets its real name only when its checksum is right."""
    path, part = folder / file.name, folder / (file.name + ".part")
    if path.is_file():
        if _is_sound(path, file):
            progress(file.name, file.size, file.size)
            return
        path.unlink()
    for _ in (1, 2):
        with _readable_failures(f"{hub_id}/{file.name}", str(client.base_url)):
            _fetch(client, hub_id, file, part, progress)
        if _is_sound(part, file):
            part.replace(path)
            return
        part.unlink()
    raise _bad_checksum(hub_id, file)


def _fetch(client: "httpx.Client", hub_id: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Fill `part` to the full size, going on after broken connections as long as each brings something."""
    import httpx

    part.touch()
    stalls = 0
    while (have := part.stat().st_size) < file.size:
        try:
            _append(client, hub_id, file, part, progress)
            broken: Exception = httpx.RemoteProtocolError("the connection ended before the file did")
        except httpx.TransportError as error:
            broken = error
        if part.stat().st_size <= have:
            stalls += 1
        if stalls == STALLS:
            raise broken


def _append(client: "httpx.Client", hub_id: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """One request for the bytes that are still missing; a server that ignores `Range` starts the file anew."""
    have = part.stat().st_size
    params = {"Revision": "master", "FilePath": file.name}
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", f"/api/v1/models/{hub_id}/repo", params=params, headers=headers) as response:
        response.raise_for_status()
        resumed = response.status_code == 206
        done = have if resumed else 0
        with part.open("ab" if resumed else "wb") as out:
            for chunk in response.iter_raw():
                out.write(chunk)
                done += len(chunk)
                progress(file.name, done, file.size)
