"""Things as files decode to what was drawn."""

import io
import random

import numpy as np
import PIL.Image

from anyseek.media import MediaOptions, probe_video, read_frames
from anyseek.world import Clip, Note, sample_thing
from anyseek.world.files import encode_clip, file_of


def test_pictures_and_notes() -> None:
    rng = random.Random(0)
    for kind in ("scene", "page", "chart"):
        thing = sample_thing(kind, rng)
        png, jpeg = (PIL.Image.open(io.BytesIO(file_of(thing, jpeg))) for jpeg in (False, True))
        assert (png.format, jpeg.format, png.size) == ("PNG", "JPEG", jpeg.size)
        assert np.array_equal(np.asarray(png), thing.draw())
    note = sample_thing("note", rng)
    assert isinstance(note, Note) and file_of(note).decode("utf-8") == note.draw()


def test_clips() -> None:
    clip = sample_thing("clip", random.Random(1))
    assert isinstance(clip, Clip)
    data = encode_clip(clip, rate=4)
    info = probe_video(data, MediaOptions())
    assert (info.width, info.height, info.rate) == (clip.width, clip.height, 4)
    assert info.frames == round(clip.seconds * 4)
    last = info.frames - 1
    frames = read_frames(data, [0, last], MediaOptions()).astype(float)
    for frame, place in zip(frames, (0, last), strict=True):
        assert np.abs(frame - clip.frame(place / 4)).mean() < 6  # 2.9 at worst over 12 clips; another frame is 14 away
    assert file_of(clip) == encode_clip(clip)
