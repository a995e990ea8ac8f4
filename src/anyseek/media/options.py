"""What the media room may load, and how large it may be."""

from dataclasses import dataclass, fields
from pathlib import Path

from anyseek.errors import ConfigError

__all__ = ["MediaOptions"]

MIB = 1 << 20
FLAGS = ("exif_orientation", "scale_16bit", "urls", "private_addresses", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOptions:
    """Which sources are allowed, how they are read, and their limits.

    Attributes:
        exif_orientation: turn pictures as their EXIF tag says; the reference ignores the tag.
        scale_16bit: bring 16-bit grey to 8 bits by its high byte; the reference (Pillow's `convert`) clips it to white.
        urls: http(s) addresses are fetched; data URIs always work.
        private_addresses: addresses inside the network (127.0.0.1, 10.x, link-local ...) may be fetched.
        files: any path may be read; when False, only paths inside `root`.
        root: when set, paths outside this folder (after symbolic links are followed) are refused.
        max_bytes: most bytes of a file, and of bytes handed in.
        max_download_bytes: most bytes of a download or data URI, which are held in memory.
        max_text_bytes: most bytes of a text file.
        max_source_pixels: most pixels of a picture, video frame or rendered page (default: Pillow's bomb size).
        max_seconds: longest video in seconds.
        max_source_frames: most frames of a video (default: six hours at 240 per second).
        max_pages: most pages of a PDF.
        max_redirects: redirects followed for one address.
        timeout_seconds: whole time of one download, redirects included.
        decode_threads: threads of one video decoder.
    """

    exif_orientation: bool = False
    scale_16bit: bool = False
    urls: bool = True
    private_addresses: bool = False
    files: bool = True
    root: Path | None = None
    max_bytes: int = 2048 * MIB
    max_download_bytes: int = 256 * MIB
    max_text_bytes: int = 64 * MIB
    max_source_pixels: int = 178_956_970
    max_seconds: float = 6 * 3600
    max_source_frames: int = 6 * 3600 * 240
    max_pages: int = 10_000
    max_redirects: int = 3
    timeout_seconds: float = 20
    decode_threads: int = 2

    def __post_init__(self) -> None:
        """Raise ConfigError for a limit that is not positive or a flag that is not a bool."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in FLAGS:
                if not isinstance(value, bool):
                    raise ConfigError(f"media option {field.name} must be True or False (got {value!r})")
            elif field.name == "root":
                if value is not None and not isinstance(value, Path):
                    raise ConfigError(f"media option root must be a pathlib.Path or None (got {value!r})")
            elif not value > 0 and not (field.name == "max_redirects" and value == 0):
                raise ConfigError(f"media option {field.name} must be positive (got {value!r})")

    @classmethod
    def served(cls, root: Path | None = None) -> "MediaOptions":
        """Options for requests of strangers: no URLs, no paths (or only those inside `root`), smaller limits."""
        return cls(
            urls=False,
            files=False,
            root=root,
            max_bytes=256 * MIB,
            max_download_bytes=64 * MIB,
            max_text_bytes=8 * MIB,
            max_source_pixels=50_000_000,
            max_seconds=3600,
            max_source_frames=3600 * 120,
            max_pages=2_000,
        )
