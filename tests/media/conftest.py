"""Small films of every container, and a PDF writer; made on the spot."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

Film = Callable[[str], Path]
WIDTH, HEIGHT = 96, 64


def texture() -> NDArray[np.uint8]:
    """A noisy field to move over, so that every frame differs from every other."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    return np.kron(noise, np.ones((4, 4, 1), np.uint8))


def write_film(path: Path, codec: str, count: int = 60, **settings: Any) -> Path:
    """Encode `count` frames that move over the texture; `settings` see the code."""
    width, height = settings.get("size", (WIDTH, HEIGHT))
    field, rate = texture(), settings.get("rate", 25)
    with av.open(str(path), "w", options=settings.get("container", {})) as container:
        sound = container.add_stream("aac", rate=44100) if settings.get("sound") else None
        stream = container.add_stream(codec, rate=rate, options=settings.get("options", {}))
        stream.width, stream.height = width, height
        stream.pix_fmt = settings.get("format", "yuv420p")
        if settings.get("times"):
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            top, left = int(60 + 50 * np.sin(number / 9)), number * 3 % 200
            crop = np.ascontiguousarray(field[top : top + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(crop, format="rgb24")
            if settings.get("times"):
                frame.pts, frame.time_base = settings["times"][number], Fraction(1, 1000)
            for packet in stream.encode(frame):
                _shifted(packet, settings.get("shift", 0))
                container.mux(packet)
        for packet in stream.encode():
            _shifted(packet, settings.get("shift", 0))
            container.mux(packet)
        if sound is not None:
            _write_sound(container, sound, count / rate)
    return path


def _shifted(packet: Any, shift: int) -> None:
    if shift:
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift


def _write_sound(container: Any, stream: Any, seconds: float) -> None:
    silence = np.zeros((1, 1024), np.float32)
    for number in range(int(seconds * 44100 / 1024)):
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, number * 1024
        for packet in stream.encode(frame):
            container.mux(packet)
    for packet in stream.encode():
        container.mux(packet)


def h264(keys: int = 12, more: str = "bframes=3") -> dict[str, str]:
    return {"preset": "ultrafast", "x264-params": f"keyint={keys}:scenecut=0:{more}"}


IRREGULAR = [int(n * 31 + 11 * np.sin(n * 2)) for n in range(60)]
FAST_VPX = {"deadline": "realtime", "cpu-used": "8", "g": "20", "lag-in-frames": "16", "auto-alt-ref": "1", "b": "300k"}
FILMS: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"codec": "libx264", "options": h264()},
    "open_gop.mp4": {"codec": "libx264", "options": h264(15, "open-gop=1:bframes=4:b-pyramid=normal")},
    "refresh.mp4": {"codec": "libx264", "options": h264(20, "intra-refresh=1:bframes=0")},
    "sound.mp4": {"codec": "libx264", "options": h264(), "sound": True},
    "fragments.mp4": {"codec": "libx264", "options": h264(), "container": {"movflags": "frag_keyframe+empty_moov"}},
    "front.mp4": {"codec": "libx264", "options": h264(), "container": {"movflags": "faststart"}},
    "edited.mp4": {
        "codec": "libx264",
        "options": h264(),
        "shift": -9,
        "container": {"avoid_negative_ts": "disabled"},
    },
    "irregular.mp4": {"codec": "libx264", "options": h264(), "times": IRREGULAR},
    "irregular.mkv": {"codec": "libx264", "options": h264(), "times": IRREGULAR},
    "quick_time.mov": {"codec": "libx264", "options": h264()},
    "h264.mkv": {"codec": "libx264", "options": h264(), "sound": True},
    "h264.ts": {"codec": "libx264", "options": h264()},
    "open_gop.ts": {"codec": "libx264", "options": h264(15, "open-gop=1:bframes=4")},
    "h264.flv": {"codec": "libx264", "options": h264()},
    "vp9.webm": {"codec": "libvpx-vp9", "options": FAST_VPX},
    "vp8.webm": {"codec": "libvpx", "options": FAST_VPX | {"deadline": "good"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}},
    "motion_jpeg.avi": {"codec": "mjpeg", "format": "yuvj420p"},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "wmv2.wmv": {"codec": "wmv2", "options": {"g": "12"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"preset": "ultrafast", "x265-params": "log-level=none:keyint=12:open-gop=1:bframes=3"},
    },
    "ten_bits.mp4": {"codec": "libx264", "options": h264(), "format": "yuv420p10le"},
    "odd.mkv": {"codec": "ffv1", "format": "yuv444p", "size": (63, 47)},
    "one.mp4": {"codec": "libx264", "options": h264(), "count": 1},
    "one.webm": {"codec": "libvpx-vp9", "options": FAST_VPX, "count": 1},
    "moving.gif": {"codec": "gif", "format": "rgb8"},
}


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """A film by its name in FILMS, written when first asked for."""
    folder = tmp_path_factory.mktemp("films")

    def of(name: str) -> Path:
        path = folder / name
        return path if path.exists() else write_film(path, **FILMS[name])

    return of


def decoded(path: Path) -> NDArray[np.uint8]:
    """Every frame, decoded plainly by PyAV: what the golden vectors of the project were checked against."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def pdf(*pages: str, content: str = "", root: str = "", more: tuple[str, ...] = ()) -> bytes:
    """A PDF of pages with these entries (default: 200x300 points), all with the same content stream.

    Objects 1 to 4 are taken, the pages follow from 5, then `more`.
    """
    pages = pages or ("/MediaBox [0 0 200 300]",)
    first = 5
    kids = " ".join(f"{first + n} 0 R" for n in range(len(pages)))
    bodies = [
        f"<< /Type /Catalog /Pages 2 0 R {root} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    bodies += [
        f"<< /Type /Page /Parent 2 0 R /Contents 3 0 R /Resources << /Font << /F 4 0 R >> >> {page} >>"
        for page in pages
    ]
    bodies += more
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    return pdf


@pytest.fixture(scope="session")
def films() -> dict[str, Any]:
    return FILMS


@pytest.fixture(scope="session")
def decode_all() -> Callable[[Path], NDArray[np.uint8]]:
    return decoded


@pytest.fixture(scope="session")
def make_film() -> Callable[..., Path]:
    return write_film


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`film_name` runs over every film."""
    if "film_name" in metafunc.fixturenames:
        metafunc.parametrize("film_name", sorted(FILMS))
