from __future__ import annotations

import io
import os
import struct
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from interhand_mm.errors import ImageError, InputError
from interhand_mm.inference.intrinsics import choose_intrinsics
from interhand_mm.inference.io.pixels import as_bgr
from interhand_mm.inference.io.sources import natural_key, open_source
from interhand_mm.inference.options import CameraOptions

RNG = np.random.default_rng(0)
IMAGE = cv2.resize(RNG.integers(0, 255, (7, 9, 3), dtype=np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)


def only(source):
    frames = list(open_source(source))
    assert len(frames) == 1
    assert frames[0].time_s is None
    return frames[0]


def write_video(path, times_ms, codec="libx264", size=(160, 120)):
    """Frames that tell their number: a white column walks to the right."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"crf": "18"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, time in enumerate(times_ms):
            image = cv2.resize(IMAGE, size) // 2
            image[:, 4 * i : 4 * i + 4] = 255
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def number_of(frame):
    """Which frame of `write_video` this is, by where its white column stands."""
    return int(frame.image.mean(axis=(0, 2)).argmax()) // 4


# --- images ---


def test_formats_come_out_as_bgr(tmp_path):
    rgb = Image.fromarray(IMAGE[..., ::-1].copy())
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=97)
    rgb.convert("RGBA").save(tmp_path / "rgba.png")
    rgb.convert("L").save(tmp_path / "gray.png")
    rgb.convert("P").save(tmp_path / "palette.png")
    Image.fromarray(IMAGE[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name, want, tolerance in (
        ("cmyk.jpg", IMAGE, 3.0),
        ("rgba.png", IMAGE, 0.0),
        ("gray.png", cv2.cvtColor(cv2.cvtColor(IMAGE, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), 1.0),
        ("palette.png", IMAGE, 20.0),
        ("deep.png", np.repeat(IMAGE[..., :1], 3, axis=2), 0.0),
    ):
        image = only(tmp_path / name).image
        assert image.dtype == np.uint8
        assert image.shape == (120, 160, 3), name
        assert np.abs(image.astype(int) - want).mean() <= tolerance, name


def test_one_pixel_and_arrays(tmp_path):
    cv2.imwrite(str(tmp_path / "dot.png"), np.full((1, 1, 3), 90, np.uint8))
    assert only(tmp_path / "dot.png").image.tolist() == [[[90, 90, 90]]]
    assert only(IMAGE).image is IMAGE
    assert as_bgr(IMAGE[..., 0]).shape == as_bgr(np.dstack([IMAGE, IMAGE[..., 0]])).shape == IMAGE.shape
    for wrong in (IMAGE.astype(np.float32), IMAGE[..., :2], IMAGE[None], IMAGE[:0]):
        with pytest.raises(InputError, match="the image array"):
            open_source(wrong)


def test_names_that_are_not_utf8_and_hidden_files(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xca\xd6")
    folder.mkdir()
    path = folder / os.fsdecode(b"\xb2\xbf.png")
    path.write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    (folder / "._hand.png").write_bytes(b"Mac OS X")
    for source in (path, str(path), folder):
        np.testing.assert_array_equal(only(source).image, IMAGE)


def exif_of(orientation=1, **tags):
    exif = Image.Exif()
    exif[0x0112] = orientation
    numbers = {
        "film": 0xA405,
        "focal": 0x920A,
        "plane_x": 0xA20E,
        "plane_y": 0xA20F,
        "unit": 0xA210,
        "px": 0xA002,
        "py": 0xA003,
    }
    exif.get_ifd(0x8769).update({numbers[name]: value for name, value in tags.items()})
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_image_upright(tmp_path, orientation):
    upright = Image.fromarray(IMAGE[..., ::-1].copy())
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that store it in that orientation
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    stored.save(tmp_path / "a.jpg", quality=97, exif=exif_of(orientation, film=26))
    frame = only(tmp_path / "a.jpg")
    assert frame.image.shape == IMAGE.shape
    assert np.abs(frame.image.astype(int) - IMAGE).mean() < 3
    assert choose_intrinsics((160, 120), frame.exif).source == "exif"


def test_intrinsics_from_exif_by_hand():
    # 26 mm on 43.2666 mm of full-frame diagonal; 200 px of diagonal here.
    found = choose_intrinsics((160, 120), exif_of(film=26))
    assert found.focal == pytest.approx([26 / 43.26661530556787 * 200] * 2)
    assert found.principal_pt.tolist() == [79.5, 59.5]
    # 4 mm lens, 800 (x) and 400 (y) px per cm on the sensor, then the image was reduced to half: 160 and 80 px.
    half = dict(focal=4.0, plane_x=800.0, plane_y=400.0, unit=3, px=320, py=240)
    assert choose_intrinsics((160, 120), exif_of(**half)).focal == pytest.approx([160, 80])
    # Turned by 90 degrees, the stored x is the upright y.
    assert choose_intrinsics((120, 160), exif_of(6, **half)).focal == pytest.approx([80, 160])
    for useless in ({}, {"film": 0}, {"focal": 4.0}, {"focal": 4.0, "plane_x": 0.0, "unit": 3}):
        assert choose_intrinsics((160, 120), exif_of(**useless)).source == "assumed"


def test_a_cropped_photograph_has_the_focal_length_of_the_whole_one():
    whole = 26 / 43.26661530556787 * 5000
    recorded = dict(film=26, px=4000, py=3000)
    for size, focal, source in (
        ((4000, 3000), whole, "exif"),
        ((1000, 750), whole / 4, "exif"),  # reduced
        ((1000, 753), whole / 4, "exif"),  # and rounded
        ((750, 1000), whole / 4, "exif"),  # turned by a program that left the recorded size as it was
        ((2000, 2000), whole, "assumed"),  # cut out: nobody knows where
        ((8000, 3000), whole * 2, "assumed"),  # cut out and enlarged
    ):
        camera = choose_intrinsics(size, exif_of(**recorded))
        assert camera.focal == pytest.approx([focal] * 2, rel=5e-3)
        assert camera.source == source
    # The sensor's resolution: 800 px per cm and a lens of 4 mm.
    plane = dict(focal=4.0, plane_x=800.0, unit=3, px=4000, py=3000)
    camera = choose_intrinsics((3000, 3000), exif_of(6, **plane))
    assert (camera.focal.tolist(), camera.source) == ([320, 320], "assumed")


def test_intrinsics_of_the_user_outrank_exif():
    exif = exif_of(film=26)
    assert choose_intrinsics((160, 120), exif, CameraOptions(focal=500.0)).focal.tolist() == [500, 500]
    mixed = choose_intrinsics((160, 120), exif, CameraOptions(focal=(500.0, 510.0), principal_pt=(1.0, 2.0)))
    assert (mixed.focal.tolist(), mixed.principal_pt.tolist(), mixed.source) == ([500, 510], [1, 2], "user")
    wide = choose_intrinsics((160, 120), exif, CameraOptions(fov_deg=90.0))
    assert wide.focal == pytest.approx([80, 80])
    assert wide.source == "user"
    assert choose_intrinsics((160, 120)).source == "assumed"


@pytest.mark.parametrize(
    "wrong",
    [(-1.0, None, None, None), ((1.0, 2.0, 3.0), None, None, None), (None, (1.0,), None, None),
     (None, None, 180.0, None), (None, None, None, (0.0, 5.0)), (None, None, None, float("nan")), (500.0, None, 60.0, None)],
)  # fmt: skip
def test_cameras_that_do_not_exist_are_refused(wrong):
    with pytest.raises(InputError):
        CameraOptions(*wrong)


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_source(tmp_path / "no.jpg")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(InputError, match="empty"):
        open_source(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("text in a file that is called .jpg")
    with pytest.raises(InputError, match="neither an image nor a video"):
        open_source(tmp_path / "text.jpg")
    (tmp_path / "none").mkdir()
    (tmp_path / "none/notes.txt").write_text("x")
    with pytest.raises(InputError, match="there are no images"):
        open_source(tmp_path / "none")
    cv2.imwrite(str(tmp_path / "whole.jpg"), IMAGE)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:1500])
    with pytest.raises(ImageError, match="cut short"):
        list(open_source(tmp_path / "cut.jpg"))


def test_folder_in_natural_order_counts_broken_images(tmp_path):
    for name in ("b10.png", "b2.png", "B1.png"):
        cv2.imwrite(str(tmp_path / name), IMAGE)
    (tmp_path / "b3.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "notes.txt").write_text("left alone")
    source = open_source(tmp_path)
    assert source.length == 4
    assert [frame.source.rsplit("/", 1)[1] for frame in source] == ["B1.png", "b2.png", "b10.png"]
    assert source.skipped == 1
    assert "b3.png" in source.problem
    assert natural_key(tmp_path / "x9y10") < natural_key(tmp_path / "x10y2")


def test_content_and_not_the_name_says_what_a_file_is(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert open_source(tmp_path / "a.mp4").kind == "images"


def write_phone_photograph(path, orientation=6):
    """A HEIC as phones write it: a grid of tiles, turned by the container, with EXIF. Upright it shows IMAGE."""
    pillow_heif = pytest.importorskip("pillow_heif")
    stored = np.ascontiguousarray(np.rot90(IMAGE, 1)) if orientation == 6 else IMAGE
    big = cv2.resize(stored, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    file = pillow_heif.from_bytes("BGR", big.shape[1::-1], big.tobytes())
    file.info["exif"] = exif_of(orientation, film=26, px=big.shape[1], py=big.shape[0]).tobytes()
    file.save(path, quality=95, tile_size=256)


@pytest.mark.parametrize(("orientation", "name"), [(1, "a.heic"), (6, "a.heic"), (6, "a.jpg")])
def test_a_phone_photograph_is_one_upright_image_and_not_a_video_of_a_tile(tmp_path, orientation, name):
    write_phone_photograph(tmp_path / "a.heic", orientation)
    (tmp_path / "a.heic").rename(tmp_path / name)  # the content counts
    source = open_source(tmp_path / name)
    assert source.kind == "images"
    frame = only(source)
    assert frame.image.shape == (480, 640, 3)
    assert np.abs(cv2.resize(frame.image, (160, 120), interpolation=cv2.INTER_AREA).astype(int) - IMAGE).mean() < 4
    camera = choose_intrinsics((640, 480), frame.exif)
    assert camera.source == "exif"
    assert camera.focal == pytest.approx([26 / 43.26661530556787 * 800] * 2)


def test_heic_without_its_library_is_an_error_that_names_it(tmp_path, monkeypatch, capfd):
    write_phone_photograph(tmp_path / "a.heic")
    cv2.imwrite(str(tmp_path / "b.png"), IMAGE)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="pillow-heif"):
        only(tmp_path / "a.heic")
    source = open_source(tmp_path)
    assert [frame.source for frame in source] == [str(tmp_path / "b.png")]
    assert source.skipped == 1
    assert "pillow-heif" in source.problem


def test_turned_avif_is_upright(tmp_path):
    exif = exif_of(6, film=26).tobytes()
    Image.fromarray(np.ascontiguousarray(np.rot90(IMAGE, 1)[..., ::-1])).save(
        tmp_path / "a.avif", exif=exif, quality=95
    )
    frame = only(tmp_path / "a.avif")
    assert frame.image.shape == IMAGE.shape
    assert np.abs(frame.image.astype(int) - IMAGE).mean() < 4
    assert choose_intrinsics((160, 120), frame.exif).source == "exif"


@pytest.mark.parametrize("name", ["a.tiff", "a.webp", "a.avif"])
def test_the_first_of_several_images_is_not_taken_for_the_whole(tmp_path, name):
    pages = [Image.fromarray(np.full((20, 30, 3), 40 * i, np.uint8)) for i in range(4)]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match=r"several images.*\n  got:  4"):
        only(tmp_path / name)


def test_the_thumbnail_of_a_raw_photograph_is_not_taken_for_it(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "a.tiff", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(ImageError, match="raw photograph"):
        only(tmp_path / "a.tiff")


def test_animated_png_is_a_video_and_a_still_gif_is_not(tmp_path):
    frames = [Image.fromarray(np.full((20, 30, 3), 40 * i, np.uint8)) for i in range(4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100)
    source = open_source(tmp_path / "a.png")
    assert source.kind == "video"
    assert [int(frame.image[10, 10, 0]) for frame in source] == [0, 40, 80, 120]
    frames[2].save(tmp_path / "a.gif")
    assert only(tmp_path / "a.gif").image[10, 10].tolist() == pytest.approx([80] * 3, abs=2)


def test_motion_photos_are_read_and_cut_ones_are_not(tmp_path):
    """Phones append a video, or a second JPEG, to the photograph."""
    thumbnail = cv2.imencode(".jpg", IMAGE[::4, ::4])[1].tobytes()
    buffer = io.BytesIO()
    exif = exif_of(film=26).tobytes()
    Image.fromarray(IMAGE[..., ::-1].copy()).save(buffer, "JPEG", progressive=True, exif=exif + thumbnail, quality=95)
    photo = buffer.getvalue()
    (tmp_path / "motion.jpg").write_bytes(photo + bytes(500) + b"ftypmp42" * 99)
    assert np.abs(only(tmp_path / "motion.jpg").image.astype(int) - IMAGE).mean() < 4
    (tmp_path / "cut.jpg").write_bytes(photo[: len(photo) * 2 // 3])
    with pytest.raises(ImageError, match="cut short"):
        only(tmp_path / "cut.jpg")


def test_files_that_a_folder_leaves_out_are_named(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr("mmengine.logging.print_log", lambda message, *_: logged.append(message))
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    (tmp_path / "notes.txt").write_text("no image, and nobody thinks so")
    assert open_source(tmp_path).length == 1
    assert logged == []
    for name in ("b.MP4", "c.gif", "d.dng"):
        (tmp_path / name).touch()
    assert open_source(tmp_path).length == 1
    assert logged[0].startswith("3 files in")
    assert logged[0].endswith("b.MP4, c.gif, d.dng")


def test_other_names_of_files_and_cameras_are_explained():
    with pytest.raises(InputError, match=r"by their path: file:///tmp/hand\.jpg\n"):
        open_source("file:///tmp/hand.jpg")
    with pytest.raises(InputError, match="by its number: 77"):
        open_source("/dev/video77")


# --- videos ---


def test_variable_rate_keeps_its_times(tmp_path):
    times = [0, 40, 55, 200, 210, 500]
    source = open_source(write_video(tmp_path / "a.mp4", times))
    assert (source.kind, source.length) == ("video", 6)
    frames = list(source)
    assert [frame.time_s for frame in frames] == pytest.approx([t / 1000 for t in times], abs=1e-3)
    assert [(frame.index, number_of(frame)) for frame in frames] == [(i, i) for i in range(6)]
    assert source.skipped == 0


def test_a_late_start_is_time_zero(tmp_path):
    frames = list(open_source(write_video(tmp_path / "a.mkv", [5000, 5040, 5080])))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08], abs=2e-3)


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mjpeg", "a.mkv")])
def test_broken_frames_are_counted_and_the_others_keep_their_numbers(tmp_path, codec, name):
    path = write_video(tmp_path / name, [33 * i for i in range(30)], codec)
    with av.open(str(path)) as container:
        packets = [(bytes(p), p.pts) for p in container.demux(video=0) if p.size]
    data = path.read_bytes()
    broken = [packets[12], packets[20]]  # in order of decoding, which with H.264 is not that of time
    for content, _ in broken:
        data = data.replace(content, content[:4] + b"\xff" * (len(content) - 4))
    path.write_bytes(data)
    lost = {round(pts / max(pts for _, pts in packets) * 29) for _, pts in broken}
    source = open_source(path)
    frames = list(source)
    assert source.skipped == 2
    assert {frame.index for frame in frames} == set(range(30)) - lost
    assert [frame.time_s for frame in frames] == pytest.approx([0.033 * frame.index for frame in frames], abs=2e-3)
    if codec == "mjpeg":  # with H.264, frames that refer to a broken one look like another
        assert [number_of(frame) for frame in frames] == [frame.index for frame in frames]


def test_cut_video_gives_what_is_there(tmp_path):
    path = write_video(tmp_path / "a.mkv", [33 * i for i in range(30)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    frames = list(open_source(path))
    assert 5 < len(frames) < 30
    # An MP4 keeps its table at the end: cut, it is no video any more.
    path = write_video(tmp_path / "b.mp4", [33 * i for i in range(30)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="neither an image nor a video"):
        open_source(path)


def test_phones_write_the_turn_beside_the_pixels(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 33, 66])
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version, flags, times, id, duration, layer, volume
    assert struct.unpack(">9i", data[start : start + 36])[0] == 1 << 16
    one = 1 << 16
    data[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)  # 90 degrees clockwise
    path.write_bytes(data)
    frame = next(iter(open_source(path)))
    assert frame.image.shape == (160, 120, 3)
    # The white column at the left is the row at the top after a quarter turn clockwise.
    assert frame.image.mean(axis=(1, 2)).argmax() < 4


@pytest.mark.parametrize(
    ("matrix", "view"),
    [
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),  # a front camera, as iOS writes it
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    ],
)
def test_mirrored_and_turned_videos_are_shown_as_their_matrix_says(tmp_path, matrix, view):
    path = write_video(tmp_path / "a.mp4", [0, 33, 66])
    stored = next(iter(open_source(path))).image
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (number << 16 for number in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    assert (next(iter(open_source(path))).image == view(stored)).all()


def test_times_of_joined_streams_never_fall_back(tmp_path):
    one = write_video(tmp_path / "a.ts", [40 * i for i in range(10)]).read_bytes()
    (tmp_path / "joined.ts").write_bytes(one * 3)
    source = open_source(tmp_path / "joined.ts")
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    assert [number_of(frame) for frame in frames] == [*range(10)] * 3
    assert source.skipped == 0
    times = np.array([frame.time_s for frame in frames])
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(29 * 0.04, abs=0.08)


def test_animated_gif_is_a_video(tmp_path):
    frames = [Image.fromarray(np.full((20, 30, 3), 40 * i, np.uint8)) for i in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 300, 100, 100])
    source = open_source(tmp_path / "a.gif")
    read = list(source)
    assert source.kind == "video"
    assert [frame.time_s for frame in read] == pytest.approx([0, 0.1, 0.4, 0.5])
    assert [int(frame.image[10, 10, 0]) for frame in read] == pytest.approx([0, 40, 80, 120], abs=2)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="there is no video in"):
        open_source(tmp_path / "a.mp4")
