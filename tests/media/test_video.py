import shutil
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anyseek.errors import DecodeError, InputError, LimitError
from anyseek.media import MediaOptions, film_seconds, frames, index, iterate_frames, probe_video, read_frames
from anyseek.media.source import open_source

Film = Callable[[str], Path]
Decode = Callable[[Path], NDArray[np.uint8]]
OPTIONS = MediaOptions()
INPUTS = Path(__file__).parents[1] / "golden" / "inputs"


def test_frames_equal_plain_decoding(film: Film, decode_all: Decode, film_name: str) -> None:
    path = film(film_name)
    truth = decode_all(path)
    info = probe_video(path, OPTIONS)
    assert (info.frames, info.height, info.width, 3) == truth.shape
    rng = np.random.default_rng(0)
    some = sorted(rng.integers(0, len(truth), 5).tolist())
    few = np.linspace(0, len(truth) - 1, 4).round().astype(int).tolist()
    for indices in ([len(truth) - 1], some, few, [0], list(range(len(truth)))):
        assert np.array_equal(read_frames(path, indices, OPTIONS), truth[indices]), indices
    data = path.read_bytes()
    assert probe_video(data, OPTIONS) == info
    assert np.array_equal(read_frames(data, few, OPTIONS), truth[few])


@pytest.mark.parametrize(
    "name", ["b_frames.mp4", "open_gop.ts", "h264.mkv", "vp9.webm", "mpeg4.avi", "mpeg2.ts", "h264.flv", "hevc.mp4"]
)
def test_late_frames_are_sought_not_decoded_up_to(film: Film, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    plain = frames.decode
    monkeypatch.setattr(frames, "decode", lambda *given: calls.append(given) or plain(*given))
    monkeypatch.setattr(frames, "_from_start", lambda *given: pytest.fail("went back to the start"))
    read_frames(film(name), [50], OPTIONS)
    assert len(calls) < 45


def test_a_seek_that_goes_wrong_is_noticed(film: Film, decode_all: Decode, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = decode_all(film("refresh.mp4"))
    plain, starts = frames._from_start, []
    monkeypatch.setattr(frames, "_from_start", lambda *given: starts.append(given) or plain(*given))
    for place in range(20, 60, 5):
        assert np.array_equal(read_frames(film("refresh.mp4"), [place], OPTIONS)[0], truth[place])
    assert starts  # keys of a refreshing stream are no clean starts: the check is not vacuous


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_a_pixel(film: Film, decode_all: Decode, threads: int) -> None:
    options = MediaOptions(decode_threads=threads)
    for name in ("b_frames.mp4", "vp9.webm", "mpeg4.avi"):
        assert np.array_equal(read_frames(film(name), [3, 29, 41], options), decode_all(film(name))[[3, 29, 41]])


def test_indices_may_repeat_and_are_checked(film: Film, decode_all: Decode) -> None:
    path = film("b_frames.mp4")
    assert np.array_equal(read_frames(path, [0, 7, 7, 7, 30, 30], OPTIONS), decode_all(path)[[0, 7, 7, 7, 30, 30]])
    assert np.array_equal(read_frames(path, np.array([1, 2]), OPTIONS), decode_all(path)[1:3])
    assert read_frames(path, [], OPTIONS).shape == (0, 64, 96, 3)
    with pytest.raises(InputError, match=r"frames 0 to 59; there is no frame 60"):
        read_frames(path, [60], OPTIONS)
    with pytest.raises(InputError, match="there is no frame -1"):
        read_frames(path, [-1, 2], OPTIONS)
    with pytest.raises(InputError, match=r"must ascend \(4 comes after 5\)"):
        read_frames(path, [5, 4], OPTIONS)


def test_rates() -> None:
    assert probe_video(np.zeros((4, 2, 6, 3), np.uint8), OPTIONS).rate == 2.0


def test_rate_is_the_streams_average(film: Film) -> None:
    for name in ("b_frames.mp4", "irregular.mp4", "vp9.webm", "mpeg2.ts", "one.mp4"):
        with av.open(str(film(name))) as container:
            assert probe_video(film(name), OPTIONS).rate == float(container.streams.video[0].average_rate or 0)
    assert probe_video(film("b_frames.mp4"), OPTIONS).rate == 25.0


@pytest.mark.parametrize(
    ("name", "expected"), [("clip.mp4", (320, 240, 50, 10.0)), ("tall.mp4", (192, 256, 225, 25.0))]
)
def test_conformance_inputs(decode_all: Decode, name: str, expected: tuple[float, ...]) -> None:
    info = probe_video(INPUTS / name, OPTIONS)
    assert (info.width, info.height, info.frames, info.rate) == expected
    indices = np.linspace(0, info.frames - 1, 16).round().astype(int)
    assert np.array_equal(read_frames(INPUTS / name, indices.tolist(), OPTIONS), decode_all(INPUTS / name)[indices])


def test_arrays_pass_through() -> None:
    film = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    for source in (film, torch.from_numpy(film)):
        info = probe_video(source, OPTIONS)
        assert (info.width, info.height, info.frames) == (6, 4, 5)
        assert np.array_equal(read_frames(source, [0, 3, 3], OPTIONS), film[[0, 3, 3]])
        assert np.array_equal(list(iterate_frames(source, [1, 4], OPTIONS)), film[[1, 4]])
    with pytest.raises(InputError, match="there is no frame 5"):
        read_frames(film, [5], OPTIONS)
    for wrong in (film[0], film.astype(np.float32), film[..., :2], film[:0]):
        with pytest.raises(InputError, match=r"give \(frames, height, width, 3\) uint8"):
            probe_video(wrong, OPTIONS)


def test_recording_that_begins_between_keys(film: Film, decode_all: Decode, tmp_path: Path) -> None:
    data = film("open_gop.ts").read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[188 * (len(data) // 188 // 3) :])
    truth = decode_all(cut)
    assert 20 < len(truth) < 60
    assert probe_video(cut, OPTIONS).frames == len(truth)
    assert np.array_equal(read_frames(cut, range(len(truth)), OPTIONS), truth)
    assert np.array_equal(read_frames(cut, [0, len(truth) - 1], OPTIONS), truth[[0, -1]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("front.mp4", r"cut off: \d+ of 60 frames"),
        ("h264.mkv", r"cut off: [\d,]+ of [\d,]+ bytes"),
        ("mpeg4.avi", r"cut off: [\d,]+ of [\d,]+ bytes"),
        ("b_frames.mp4", "truncated or corrupt"),  # its table stood at the end
    ],
)
def test_truncated(film: Film, name: str, message: str) -> None:
    data = film(name).read_bytes()
    for call in (
        lambda: probe_video(data[: len(data) * 2 // 3], OPTIONS),
        lambda: read_frames(data[:-2000], [0], OPTIONS),
    ):
        with pytest.raises(DecodeError, match=message):
            call()


def test_truncated_stream_without_a_length_tells_at_the_missing_frame(film: Film) -> None:
    data = film("h264.flv").read_bytes()
    half = data[: len(data) // 2]
    info = probe_video(half, OPTIONS)
    assert 20 < info.frames < 40
    assert read_frames(half, [0, 10], OPTIONS).shape[0] == 2
    with pytest.raises(
        DecodeError, match=rf"frame {info.frames - 1} of {info.frames} cannot be decoded.*frames came out"
    ):
        read_frames(half, [0, info.frames - 1], OPTIONS)


def test_damage_in_the_middle(film: Film) -> None:
    data = bytearray(film("mpeg2.ts").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    info = probe_video(bytes(data), OPTIONS)
    assert read_frames(bytes(data), [0, info.frames - 1], OPTIONS).shape[0] == 2


def test_sound_only_and_cover_picture(
    film: Film, decode_all: Decode, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    sound = tmp_path / "sound.mkv"
    with av.open(str(film("h264.mkv"))) as source, av.open(str(sound), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(DecodeError, match=r"no moving picture \(streams: audio\)"):
        probe_video(sound, OPTIONS)
    cover = tmp_path / "cover.mp4"
    with av.open(str(film("b_frames.mp4"))) as source, av.open(str(cover), "w") as target:
        picture = target.add_stream("mjpeg", options={"disposition": "attached_pic"})
        picture.width, picture.height, picture.pix_fmt = 200, 300, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in picture.encode(av.VideoFrame(200, 300, "yuvj420p")) + picture.encode():
            target.mux(packet)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(cover)) as container:
        assert any(stream.disposition & av.stream.Disposition.attached_pic for stream in container.streams.video)
    info = probe_video(cover, OPTIONS)
    assert (info.width, info.height, info.frames) == (96, 64, 60)
    assert np.array_equal(read_frames(cover, [2, 44], OPTIONS), decode_all(film("b_frames.mp4"))[[2, 44]])


def test_rotation_is_ignored(film: Film, decode_all: Decode, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(film("b_frames.mp4"))) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(turned)) as container:
        assert next(container.decode(video=0)).rotation in (90, -90)
    info = probe_video(turned, OPTIONS)
    assert (info.width, info.height) == (96, 64)
    assert np.array_equal(read_frames(turned, [31], OPTIONS), decode_all(film("b_frames.mp4"))[[31]])


def test_limits(film: Film) -> None:
    path = film("b_frames.mp4")
    for options, message in (
        (MediaOptions(max_source_pixels=96 * 64 - 1), "96x64 pixels.*max_source_pixels"),
        (MediaOptions(max_seconds=2), "max_seconds"),
        (MediaOptions(max_source_frames=59), "max_source_frames"),
        (MediaOptions(max_bytes=1000), "max_bytes"),
    ):
        for source in (path, film("vp9.webm")):
            for call in (lambda s, o: probe_video(s, o), lambda s, o: read_frames(s, [0], o)):
                with pytest.raises(LimitError, match=message):
                    call(source, options)
    assert (
        probe_video(path, MediaOptions(max_source_pixels=96 * 64, max_seconds=2.4, max_source_frames=60)).frames == 60
    )


def test_not_a_video(tmp_path: Path) -> None:
    for data, found in (
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "image"),
        (b"plain words", "text"),
        (bytes(500), "nothing known"),
    ):
        with pytest.raises(DecodeError, match=f"not a video of a known kind .*{found}"):
            probe_video(data, OPTIONS)


@pytest.mark.parametrize("name", ["list.m3u8", "list.ffconcat", "image.mp4", "disguised.ts"])
def test_playlists_open_no_other_file(film: Film, tmp_path: Path, name: str) -> None:
    shutil.copy(film("h264.ts"), tmp_path / "secret.ts")
    text = f"ffconcat version 1.0\nfile {tmp_path / 'secret.ts'}\n"
    if name != "list.ffconcat":
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.4,\n{tmp_path / 'secret.ts'}\n#EXT-X-ENDLIST\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(DecodeError, match="not a video"):
        probe_video(tmp_path / name, OPTIONS)


def test_an_avi_with_left_out_frames_is_whole(film: Film, tmp_path: Path, decode_all: Decode) -> None:
    data = film("motion_jpeg.avi").read_bytes()
    path = tmp_path / "more.avi"
    at = data.index(b"strh") + 8 + 32
    path.write_bytes(data[:at] + (61).to_bytes(4, "little") + data[at + 4 :])
    assert probe_video(path, OPTIONS).frames == 60
    assert np.array_equal(read_frames(path, [59], OPTIONS), decode_all(path)[[59]])


def test_a_container_that_cannot_seek_is_read_from_the_start(
    film: Film, decode_all: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_packets", lambda *given: iter(()))
    path = film("h264.ts")
    assert np.array_equal(read_frames(path, [5, 50], OPTIONS), decode_all(path)[[5, 50]])


def test_memory_is_bounded_by_what_is_asked_for(make_film: Callable[..., Path], tmp_path: Path) -> None:
    path = make_film(tmp_path / "long.mp4", "libx264", 400, options={"preset": "ultrafast", "g": "50"}, size=(240, 180))
    whole = 400 * 240 * 180 * 3
    tracemalloc.start()
    try:
        read_frames(path, [0, 200, 399], OPTIONS)
        for _ in iterate_frames(path, range(400), OPTIONS):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < whole / 20


def test_many_threads_at_once(film: Film, decode_all: Decode) -> None:
    names = ["b_frames.mp4", "vp9.webm", "h264.ts", "mpeg4.avi"]
    results: dict[str, NDArray[np.uint8]] = {}

    def work(name: str) -> None:
        results[name] = read_frames(film(name), [1, 25, 50], OPTIONS)

    workers = [threading.Thread(target=work, args=(name,)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for name in names:
        assert np.array_equal(results[name], decode_all(film(name))[[1, 25, 50]])


def test_a_blob_is_taken_too(film: Film) -> None:
    blob = open_source(film("b_frames.mp4"), OPTIONS)
    assert probe_video(blob, OPTIONS).frames == 60
    assert read_frames(blob, [59], OPTIONS).shape == (1, 64, 96, 3)


def test_the_index_of_a_file_is_read_once_until_it_changes(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scans = tmp_path / "film.mkv", []
    path.write_bytes(film("h264.mkv").read_bytes())
    plain = index.scan
    monkeypatch.setattr(index, "scan", lambda *given: scans.append(given) or plain(*given))
    for place in (0, 20, 40):
        read_frames(path, [place], OPTIONS)
    assert probe_video(path, OPTIONS).frames == 60
    assert len(scans) == 1
    path.write_bytes(film("vp9.webm").read_bytes())
    assert np.array_equal(read_frames(path, [7], OPTIONS), read_frames(film("vp9.webm").read_bytes(), [7], OPTIONS))
    assert film_seconds(path, OPTIONS) == pytest.approx(2.4, abs=0.1)
