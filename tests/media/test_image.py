import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from anyseek.errors import AnyseekError, DecodeError, InputError, LimitError
from anyseek.media import MediaOptions, Size, load_image, probe_image

OPTIONS = MediaOptions()
EXIF = MediaOptions(exif_orientation=True)
FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
CASES = [(name, mode) for name, modes in FORMATS.items() for mode in modes]


def reference(image: Image.Image) -> Image.Image:
    """qwen-vl-utils 0.0.14, in other words: RGBA on white, all else through convert."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.split()[3])
    return white


def picture(mode: str, size: tuple[int, int] = (37, 23)) -> Image.Image:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (size[1], size[0], 4), np.uint8)
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray((noise[..., 0].astype(np.uint32) * 200).astype(kind))
    rgba = Image.fromarray(noise)
    if mode == "LAB":
        return Image.frombytes("LAB", size, noise[..., :3].tobytes())
    return rgba.convert("RGB").convert(mode) if mode in ("CMYK", "P", "1") else rgba.convert(mode)


def saved(image: Image.Image, name: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **more)
    return out.getvalue()


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_every_format_and_mode_as_the_reference(name: str, mode: str) -> None:
    data = saved(picture(mode), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference(Image.open(io.BytesIO(data)))
    got = load_image(data, OPTIONS)
    assert got.mode == "RGB"
    assert np.array_equal(pixels(got), pixels(expected))
    assert probe_image(data, OPTIONS) == got.size == (37, 23)


@pytest.mark.parametrize("mode", sorted({mode for _, mode in CASES} | {"PA", "YCbCr", "HSV", "RGBX"}))
def test_pil_images_as_the_reference_and_unchanged(mode: str) -> None:
    image = picture(mode) if mode in {m for _, m in CASES} else picture("RGBA").convert(mode)
    before = (image.mode, image.tobytes())
    assert np.array_equal(pixels(load_image(image, OPTIONS)), pixels(reference(image)))
    assert (image.mode, image.tobytes()) == before
    assert probe_image(image, OPTIONS) == Size(37, 23)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_modes_that_pillow_cannot_convert(mode: str) -> None:
    image = Image.new(mode, (2, 2))
    if mode == "RGBa":
        assert load_image(image, OPTIONS).mode == "RGB"
        return
    with pytest.raises(DecodeError, match="the PIL image cannot be decoded"):
        load_image(image, OPTIONS)


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 256, 2))], ids=["one", "many"])
def test_palette_transparency_is_lost_without_a_warning(transparency: Any) -> None:
    data = saved(picture("P"), "PNG", transparency=transparency)
    expected = picture("P").convert("RGB")
    assert np.array_equal(pixels(load_image(data, OPTIONS)), pixels(expected))
    own = Image.open(io.BytesIO(data))
    load_image(own, OPTIONS)
    assert own.info["transparency"] == transparency


def test_sixteen_bits_clip_by_default_and_scale_on_request() -> None:
    grey = (np.arange(24 * 32).reshape(24, 32) * 85).astype(np.uint16)
    scaling = MediaOptions(scale_16bit=True)
    for name in ("PNG", "TIFF"):
        data = saved(Image.fromarray(grey), name)
        assert np.array_equal(pixels(load_image(data, OPTIONS))[..., 0], np.minimum(grey, 255))
        assert np.array_equal(pixels(load_image(data, scaling))[..., 2], grey >> 8)
    big_endian = Image.frombytes("I;16B", (32, 24), grey.astype(">u2").tobytes())
    assert np.array_equal(pixels(load_image(big_endian, scaling))[..., 1], grey >> 8)
    assert np.array_equal(pixels(load_image(picture("RGB"), scaling)), pixels(picture("RGB")))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_only_on_request(name: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(picture("RGB"), name, exif=exif)
    plain = Image.open(io.BytesIO(data))
    assert np.array_equal(pixels(load_image(data, OPTIONS)), pixels(plain.convert("RGB")))
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(pixels(load_image(data, EXIF)), pixels(turned))
    for options in (OPTIONS, EXIF):
        assert probe_image(data, options) == load_image(data, options).size
    assert probe_image(data, EXIF) == ((23, 37) if turn >= 5 else (37, 23))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_picture_of_many(name: str) -> None:
    first, others = picture("RGB"), [Image.new("RGB", (37, 23), color) for color in ("red", "blue")]
    data = saved(first, name, save_all=True, append_images=others)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 3
    assert np.array_equal(pixels(load_image(data, OPTIONS)), pixels(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("size", [(1, 1), (20000, 3), (3, 20000), (1, 500)])
@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_extreme_sizes(name: str, size: tuple[int, int]) -> None:
    data = saved(Image.new("RGB", size, (10, 200, 30)), name)
    assert probe_image(data, OPTIONS) == load_image(data, OPTIONS).size == size


@pytest.mark.parametrize("name", list(FORMATS))
def test_probe_reads_the_header_only(name: str) -> None:
    data = saved(picture("RGB", (300, 200)), name)
    broken = data[: len(data) * 9 // 10]
    if name in ("WEBP", "AVIF"):  # their readers want the whole file before they tell the size
        with pytest.raises(DecodeError):
            probe_image(broken, OPTIONS)
    else:
        assert probe_image(broken, OPTIONS) == (300, 200)
    with pytest.raises(DecodeError, match=r"<\d+ bytes> cannot be decoded, it is truncated or corrupt"):
        load_image(broken if name != "JPEG2000" else data[:300], OPTIONS)


def test_paths(tmp_path: Path) -> None:
    path = tmp_path / "no_ending"
    path.write_bytes(saved(picture("RGB"), "PNG"))
    for source in (path, str(path), path.as_uri()):
        assert np.array_equal(pixels(load_image(source, OPTIONS)), pixels(picture("RGB")))


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    path.write_bytes(b"%PDF-1.4 not a picture")
    with pytest.raises(DecodeError, match=r"really.jpg is not a picture of a known format \(its content: pdf\)"):
        load_image(path, OPTIONS)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")  # Pillow would run Ghostscript on it
    with pytest.raises(DecodeError, match="not a picture"):
        load_image(path, OPTIONS)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    bomb = bytearray(saved(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    for call in (probe_image, load_image):
        with pytest.raises(LimitError, match=r"50000x50000 pixels, more than 178,956,970 .*max_source_pixels"):
            call(bytes(bomb), OPTIONS)
    small = MediaOptions(max_source_pixels=37 * 23 - 1)
    for source in (picture("RGB"), pixels(picture("RGB")), torch.zeros(3, 23, 37), saved(picture("RGB"), "PNG")):
        with pytest.raises(LimitError, match="37x23"):
            load_image(source, small)
        assert load_image(source, MediaOptions(max_source_pixels=37 * 23)).size == (37, 23)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_pillows_own_limit_neither_warns_nor_refuses(name: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(picture(mode), name)
    for most in (600, 500 if name != "WEBP" else 600):  # above the limit Pillow warns, above twice it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        assert load_image(data, OPTIONS).size == (37, 23)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((2, 3), 7, np.uint8), 7),
        (np.full((2, 3, 1), 7, np.uint8), 7),
        (np.full((2, 3, 3), 7, np.uint8), 7),
        (np.full((3, 2, 5), 7, np.uint8).transpose(0, 2, 1)[:, :2, :2], 7),
        (np.ones((2, 3), np.bool_), 255),
        (np.full((2, 3, 3), 0x8012, np.uint16), 0x80),
        (np.full((2, 3, 3), 0.5, np.float32), 128),
        (np.full((2, 3, 3), 1.0, np.float64), 255),
        (np.full((2, 3, 3), 0.25, np.float16), 64),
        (np.full((2, 3, 4), 0, np.uint8), 255),
    ],
)
def test_arrays(array: np.ndarray, expected: int) -> None:
    for source in (array, torch.from_numpy(array.copy())):
        image = load_image(source, OPTIONS)
        assert set(np.unique(pixels(image))) == {expected}
        assert probe_image(source, OPTIONS) == image.size


def test_which_axis_holds_the_channels() -> None:
    rng = np.random.default_rng(0)
    last = rng.integers(0, 256, (5, 6, 3), np.uint8)
    assert np.array_equal(pixels(load_image(last, OPTIONS)), last)
    assert np.array_equal(pixels(load_image(last.transpose(2, 0, 1), OPTIONS)), last)
    assert np.array_equal(pixels(load_image(torch.from_numpy(last).permute(2, 0, 1), OPTIONS)), last)
    ambiguous = rng.integers(0, 256, (3, 8, 3), np.uint8)
    assert load_image(ambiguous, OPTIONS).size == (8, 3)
    single = torch.rand(3, 4, 5).to(torch.bfloat16).requires_grad_()
    assert load_image(single, OPTIONS).size == (5, 4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 5), np.uint8), r"shape \(2, 3, 5\) is no picture"),
        (np.zeros((2, 2, 3, 3), np.uint8), "is no picture"),
        (np.zeros(4, np.uint8), "is no picture"),
        (np.zeros((2, 3), np.int64), "type int64"),
        (np.full((2, 3), 1.5), r"must lie in \[0, 1\] \(got 1.5 to 1.5\)"),
        (np.full((2, 3), -0.1), "must lie in"),
        (np.full((2, 3), np.nan), "must lie in"),
        (np.zeros((0, 3), np.uint8), "no pixels"),
        (np.zeros((2, 3), np.complex64), "type complex64"),
    ],
)
def test_wrong_arrays(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_image(array, OPTIONS)


@pytest.mark.parametrize("value", [None, 3, {"a": 1}, [1], object()])
def test_wrong_types(value: Any) -> None:
    for call in (probe_image, load_image):
        with pytest.raises(InputError, match=f"cannot load {type(value).__name__}: give a path"):
            call(value, OPTIONS)


def test_an_unreadable_exif_block_is_told() -> None:
    data = saved(picture("RGB"), "JPEG")
    bad = data[:2] + b"\xff\xe1\x00\x10Exif\0\0" + b"\x00" * 8 + data[2:]
    assert load_image(bad, OPTIONS).size == (37, 23)
    try:
        assert load_image(bad, EXIF).size == (37, 23)
    except AnyseekError as error:
        assert "truncated or corrupt" in str(error)
