"""The sound of a video in its overlay."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from interhand_mm.inference.io import audio
from interhand_mm.inference.io.video import Video
from interhand_mm.inference.io.writers import OverlayWriter
from tests.fixtures.frames import make_frame

FPS, RATE, BEEP_S = 25, 48_000, 1.2


def make_clip(path, codec, seconds=2.0, delay_s=0.0):
    """Write a gray video whose sound is silent until a beep at `BEEP_S`. All its times are `delay_s` later."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.where(time < BEEP_S, 0.0, 0.5 * np.sin(2 * np.pi * 880 * time)).astype(np.float32)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="mono") if codec else None
        for i in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="bgr24")
            frame.pts, frame.time_base = i + round(delay_s * FPS), Fraction(1, FPS)
            container.mux(video.encode(frame))
        if sound:
            for start in range(0, len(wave), 960):
                part = av.AudioFrame.from_ndarray(wave[None, start : start + 960], format="fltp", layout="mono")
                part.sample_rate, part.pts, part.time_base = RATE, start + round(delay_s * RATE), Fraction(1, RATE)
                for resampled in av.AudioResampler(format=sound.format, layout="mono", rate=RATE).resample(part):
                    container.mux(sound.encode(resampled))
            container.mux(sound.encode(None))
        container.mux(video.encode(None))
    return path


def overlay(clip, path, start=0, stop=None, stride=1):
    """Write the overlay of the frames of a clip, or of some of them."""
    source, writer = Video(clip), OverlayWriter()
    writer.open(path, clip.name, source)
    for frame in list(source)[start:stop:stride]:
        result = replace(make_frame(time_s=frame.time_s), image=frame.image)
        writer.add(result, frame.image)
    writer.close(complete=True)
    return path


def heard(path) -> tuple[str | None, float, float]:
    """Return codec, time of the beep from the first frame, and duration of the sound, in seconds."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None, 0.0, 0.0
        video = container.streams.video[0]
        zero = float((video.start_time or 0) * video.time_base)
        frames = list(container.decode(audio=0))
        loud = [(frame.time, np.abs(frame.to_ndarray().astype(float)).mean(axis=0)) for frame in frames]
        top = max(wave.max() for _, wave in loud)
        time, wave = next((time, wave) for time, wave in loud if wave.max() > top / 3)
        beep = time + np.argmax(wave > top / 3) / frames[0].sample_rate - zero
        last = frames[-1]
        return (
            container.streams.audio[0].codec_context.name.replace("mp3float", "mp3"),
            beep,
            last.time + last.samples / last.sample_rate - frames[0].time,
        )


@pytest.mark.parametrize(
    ("name", "codec", "want"),
    [("a.mp4", "aac", "aac"), ("a.ts", "aac", "aac"), ("a.mkv", "libopus", "opus"), ("a.mkv", "flac", "flac")],
)
def test_sound_is_copied_and_keeps_its_time(tmp_path, name, codec, want):
    clip = make_clip(tmp_path / name, codec, delay_s=0.4 if name == "a.mkv" else 0.0)
    found, beep, duration = heard(overlay(clip, tmp_path / "out.mp4"))
    assert found == want
    assert beep == pytest.approx(BEEP_S, abs=0.03)
    assert duration == pytest.approx(2.0, abs=0.08)
    assert len(list(Video(tmp_path / "out.mp4"))) == 50


def test_a_part_of_a_video_has_the_sound_of_that_part(tmp_path):
    clip = make_clip(tmp_path / "a.mp4", "aac")
    _, beep, duration = heard(overlay(clip, tmp_path / "out.mp4", start=20, stop=45, stride=2))
    assert beep == pytest.approx(BEEP_S - 20 / FPS, abs=0.03)
    assert duration == pytest.approx(1.0, abs=0.08)


def test_sound_that_mp4_does_not_hold_is_left_out_and_named(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(audio, "print_log", lambda message, *_: logged.append(message))
    clip = make_clip(tmp_path / "a.mkv", "pcm_s16le")
    assert heard(overlay(clip, tmp_path / "out.mp4"))[0] is None
    assert len(list(Video(tmp_path / "out.mp4"))) == 50
    assert len(logged) == 1
    assert "pcm_s16le" in logged[0]


def test_a_video_without_sound_stays_one(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "print_log", lambda *_: pytest.fail("nothing is wrong"))
    assert heard(overlay(make_clip(tmp_path / "a.mp4", None), tmp_path / "out.mp4"))[0] is None


def test_sound_whose_times_start_anew_ends_there(tmp_path, monkeypatch):
    """Two recordings in one file, as `cat a.ts b.ts` makes."""
    logged = []
    monkeypatch.setattr(audio, "print_log", lambda message, *_: logged.append(message))
    one = make_clip(tmp_path / "a.ts", "aac")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    out = overlay(joined, tmp_path / "out.mp4")
    assert len(list(Video(out))) == 100
    assert heard(out)[2] == pytest.approx(2.0, abs=0.15)
    assert ["start anew" in message for message in logged] == [True]
