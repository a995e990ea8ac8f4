"""Things of the world as files: pictures, pages and charts as PNG or JPEG, clips as MP4, notes as text."""

import io

import av
import numpy as np
from PIL import Image

from anyseek.world.clips import Clip
from anyseek.world.things import Thing

__all__ = ["encode_clip", "file_of"]

RATE = 8
"""Frames per second of a clip."""

QUALITY = 90


def file_of(thing: Thing, jpeg: bool = False) -> bytes:
    """The bytes of a file that shows a thing.

    Args:
        thing: of any kind.
        jpeg: pictures as JPEG; otherwise as PNG, which keeps every pixel.
    """
    if isinstance(thing, Clip):
        return encode_clip(thing)
    drawn = thing.draw()
    if isinstance(drawn, str):
        return drawn.encode("utf-8")
    file = io.BytesIO()
    Image.fromarray(np.asarray(drawn)).save(file, "JPEG" if jpeg else "PNG", **({"quality": QUALITY} if jpeg else {}))
    return file.getvalue()


def encode_clip(clip: Clip, rate: int = RATE) -> bytes:
    """A clip as H.264 in MP4.

    Args:
        clip: its sides are even.
        rate: frames per second.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "24", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for index in range(max(1, round(clip.seconds * rate))):
            frame = av.VideoFrame.from_ndarray(clip.frame(index / rate), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
