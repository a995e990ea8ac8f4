"""Sizes, frames and times against numbers that the reference gave (qwen-vl-utils 0.0.14, called as by the public code).

`reference_rules.json` holds, per line, what went in and what came out; null stands for a refusal.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import InputError
from anyseek.items import Image, Limits, Video
from anyseek.media import MediaOptions, Size, VideoInfo
from anyseek.processing import layout, rules

MEDIA = MediaOptions()
REFERENCE: dict[str, list[Any]] = json.loads(
    (Path(__file__).parent / "reference_rules.json").read_text(encoding="utf-8")
)


def case_id(case: Any) -> str:
    return "-".join(str(n) for n in case[0] if not isinstance(n, list)) or "size"


def frames_of(count: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(layout, "open_source", lambda source, media: source)
    monkeypatch.setattr(layout, "probe_image", lambda source, media: Size(*size))
    return [f"{number}.png" for number in range(count)]


def film_of(info: VideoInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "probe_video", lambda source, media: info)


def times(visual: Any) -> list[str]:
    return [f"{seconds:.1f}" for seconds in visual.seconds]


def test_there_are_hundreds_of_cases() -> None:
    assert {name: len(cases) for name, cases in REFERENCE.items()} == {
        "sizes": 120,
        "files": 110,
        "lists": 60,
        "kept": 40,
    }


@pytest.mark.parametrize("case", REFERENCE["sizes"], ids=str)
def test_sizes(case: Any) -> None:
    size, (least, most), expected = case
    if expected is None:
        with pytest.raises(InputError, match="longer than 200 times"):
            rules.fit_size(tuple(size), least, most)
    else:
        assert list(rules.fit_size(tuple(size), least, most)) == expected


@pytest.mark.parametrize("case", REFERENCE["files"], ids=case_id)
def test_video_files(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (width, height, frames, rate, fps, max_frames), expected = case
    film_of(VideoInfo(width, height, frames, rate), monkeypatch)
    part = Video("film", fps=fps, max_frames=max_frames)
    if expected is None:
        with pytest.raises(InputError):
            layout.visual_of(part, Limits(), MEDIA)
        return
    visual = layout.visual_of(part, Limits(), MEDIA)
    assert [list(visual.size), list(visual.indices), times(visual)] == expected


@pytest.mark.parametrize("case", REFERENCE["lists"], ids=case_id)
def test_frame_lists(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (width, height, count, total_pixels), expected = case
    part = Video(frames_of(count, (width, height), monkeypatch))
    visual = layout.visual_of(part, Limits(total_pixels=total_pixels), MEDIA)
    assert [list(visual.first_size), list(visual.size), list(visual.indices), times(visual)] == expected


@pytest.mark.parametrize("case", REFERENCE["kept"], ids=str)
def test_long_lists_are_cut_evenly(case: Any) -> None:
    (frames, most), expected = case
    assert rules.listed_indices(frames, most) == expected


@pytest.mark.parametrize("size", [(1, 201), (20_000, 3), (3, 20_000)])
def test_too_long_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="crop it"):
        rules.fit_size(size, 4096, 1_843_200)


def test_no_side_is_lost_where_the_reference_rounds_to_zero() -> None:
    """The reference would resize 4000 x 25 under 50,000 pixels to a height of 0 and fail; SPEC 6: at least 32."""
    assert min(rules.fit_size((4999, 25), 4096, 50_000)) == 32


def test_frame_limits_the_user_sets_work_for_lists_too(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Video(frames_of(20, (640, 480), monkeypatch), rate=2.0)
    slow = layout.visual_of(part, Limits(fps=1.0), MEDIA)
    assert (slow.frames, slow.indices[0], slow.indices[-1]) == (10, 0, 19)
    assert slow.seconds[-1] == pytest.approx((slow.indices[-1] + slow.indices[-2]) / 2 / part.rate)
    assert layout.visual_of(part, Limits(max_frames=6), MEDIA).frames == 6
    assert layout.visual_of(Video(part.source, max_frames=4), Limits(max_frames=6), MEDIA).frames == 4
    assert layout.visual_of(part, Limits(fps=5.0), MEDIA).indices == tuple(range(20))


@pytest.mark.parametrize("most", [20_000, 50_000, 131_072, 300_000])
def test_frame_pixels_the_user_sets_are_kept(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    film_of(VideoInfo(1920, 1080, 200, 25), monkeypatch)
    listed = Video(frames_of(8, (1920, 1080), monkeypatch))
    for part in (Video("film"), listed):
        width, height = layout.visual_of(part, Limits(max_frame_pixels=most), MEDIA).size
        assert most / 2 < width * height <= most


def test_total_pixels_the_user_sets_bind_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    film_of(VideoInfo(1920, 1080, 6400, 100), monkeypatch)
    free, bound = (
        layout.visual_of(Video("film"), limits, MEDIA) for limits in (Limits(), Limits(total_pixels=7_864_320))
    )
    assert free.frames == bound.frames == 64
    assert free.size[0] * free.size[1] > 700_000
    assert bound.size[0] * bound.size[1] * 32 <= 7_864_320


def test_picture_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "probe_image", lambda source, media: Size(640, 480))
    for limits in (Limits(max_pixels=2000), Limits(max_pixels=100_000), Limits(min_pixels=2_000_000)):
        width, height = layout.visual_of(Image("a"), limits, MEDIA).size
        assert (limits.min_pixels or 0) <= width * height <= (limits.max_pixels or 3_000_000)
