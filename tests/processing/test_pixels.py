"""Resizing and the order of patches, against plain loops."""

import numpy as np
import torch
from PIL import Image as Pillow

from anyseek.processing import pixels
from tests.processing.conftest import picture


def test_patches_by_plain_loops() -> None:
    frames = torch.from_numpy(np.stack([picture(64, 96, seed) for seed in range(4)])).permute(0, 3, 1, 2)
    expected = [
        frames[pair : pair + 2, :, y : y + 16, x : x + 16].transpose(0, 1).flatten()
        for pair in (0, 2)
        for block_y in range(0, 96, 32)
        for block_x in range(0, 64, 32)
        for y in (block_y, block_y + 16)
        for x in (block_x, block_x + 16)
    ]
    assert torch.equal(pixels.patchify(frames), torch.stack(expected))


def test_a_picture_is_its_frame_twice() -> None:
    frames = pixels.picture_frames(picture(64, 32))
    assert frames.shape == (2, 3, 32, 64)
    assert torch.equal(frames[0], frames[1])
    assert torch.equal(frames[0].permute(1, 2, 0), torch.from_numpy(picture(64, 32)))


def test_pictures_are_resized_by_pillow_bicubic() -> None:
    source = Pillow.fromarray(picture(90, 50))
    resized = pixels.resize_picture(source, (64, 32))
    assert np.array_equal(np.asarray(resized), np.asarray(source.resize((64, 32), Pillow.Resampling.BICUBIC)))


def test_frames_are_resized_one_by_one_in_whole_steps() -> None:
    frames = torch.from_numpy(np.stack([picture(90, 50, seed) for seed in range(3)])).permute(0, 3, 1, 2)
    resized = pixels.resize_frames(frames, (64, 32))
    together = torch.nn.functional.interpolate(frames.float(), (32, 64), mode="bicubic", antialias=True)
    assert torch.equal(resized, together.clamp(0, 255).round().to(torch.uint8))
    assert pixels.resize_frames(frames, (90, 50)) is frames
