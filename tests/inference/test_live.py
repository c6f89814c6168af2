from __future__ import annotations

import json
import os
import signal
import statistics
import threading
import time
from collections import deque

import cv2
import numpy as np
import pytest

from interhand_mm.errors import InputError, OutputError
from interhand_mm.inference import run as demo
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.io import live
from interhand_mm.inference.io.live import Camera, NewestFrameReader
from interhand_mm.inference.io.sources import open_source
from interhand_mm.inference.io.window import RateLabel
from interhand_mm.inference.io.work_queue import BackgroundQueue
from interhand_mm.inference.options import InferenceOptions, OutputOptions
from interhand_mm.inference.run import run_demo
from tests.inference.conftest import FakeDetector, FakeNetwork, scene

FRAME_S = 1 / 30


def image_of(number):
    return np.full((4, 4, 3), number, np.uint8)


class Steps:
    """A camera that gives its next frame when the test says so, and then an end or an error."""

    def __init__(self, end=None):
        self.go, self.end, self.released, self.given = threading.Semaphore(0), end, threading.Event(), 0
        self.asked = threading.Semaphore(0)

    def read(self, stop):
        self.asked.release()
        while not self.go.acquire(timeout=0.01):
            if stop.is_set():
                return None
        self.given += 1
        if self.end is not None and self.given == self.end[0]:
            if self.end[1] is None:
                return None
            raise self.end[1]
        return image_of(self.given)

    def deliver(self, count):
        """Let the thread read so many frames, and wait until it asks for the next one."""
        for _ in range(count):
            self.go.release()
            assert self.asked.acquire(timeout=10)

    def release(self):
        self.released.set()


def test_only_the_newest_frame_is_kept_and_none_is_given_twice():
    camera = Steps()
    with NewestFrameReader(camera.read, camera.release) as reader:
        assert camera.asked.acquire(timeout=10)
        camera.deliver(1)
        assert reader.take().index == 0
        camera.deliver(4)
        before = time.monotonic()
        shot = reader.take()
        assert (shot.index, shot.image[0, 0, 0]) == (4, 5)
        assert shot.captured_s <= before
        threading.Timer(0.05, camera.go.release).start()
        assert reader.take().index == 5  # waits for a frame that was not taken yet
        assert (reader.captured, reader.taken) == (6, 3)
    assert camera.released.is_set()
    assert not reader.is_running


@pytest.mark.parametrize("error", [None, InputError("the cable was pulled")])
def test_the_end_and_errors_come_after_the_last_frame(error):
    camera = Steps(end=(3, error))
    with NewestFrameReader(camera.read, camera.release) as reader:
        for _ in range(3):
            camera.go.release()
        assert camera.released.wait(10)
        assert reader.take().index == 1
        if error is None:
            assert reader.take() is None
        else:
            with pytest.raises(InputError, match="cable was pulled"):
                reader.take()


def test_ctrl_c_ends_the_thread_and_frees_the_camera():
    camera = Steps()
    with pytest.raises(KeyboardInterrupt), NewestFrameReader(camera.read, camera.release) as reader:
        raise KeyboardInterrupt
    assert camera.released.is_set()
    assert not reader.is_running


def test_a_camera_that_hangs_is_an_error(monkeypatch):
    class Hangs(DriverQueue):
        def read(self):
            time.sleep(0.3)
            return False, None

    monkeypatch.setattr(live.cv2, "VideoCapture", Hangs)
    monkeypatch.setattr(live, "_CAMERA_PATIENCE_S", 0.1)
    with pytest.raises(InputError, match=r"no more frames\n  got:  no frame in 0 seconds, 0 before"):
        next(iter(Camera(0)))


class DriverQueue:
    """A camera of 30 frames per second behind four buffers, as V4L2 has: while all are full, new frames are lost.

    Every frame shows the time of its capture in its last pixels.
    """

    def __init__(self, number):
        self.number, self.waiting, self.changed = number, deque(), threading.Condition()
        self.released = False
        threading.Thread(target=self.capture, daemon=True).start()

    def capture(self):
        while not self.released:
            time.sleep(FRAME_S)
            with self.changed:
                if len(self.waiting) < 4:
                    self.waiting.append(time.monotonic())
                    self.changed.notify_all()

    def isOpened(self):
        return self.number == 0

    def get(self, _):
        return 30.0

    def set(self, *_):
        return False

    def read(self):
        with self.changed:
            while not self.waiting:
                self.changed.wait()
            image = scene((20, 30, 90, 90))
            image[-1, -8:, 1] = np.frombuffer(np.float64(self.waiting.popleft()).tobytes(), np.uint8)
        return True, image

    def release(self):
        self.released = True


def age_of(image):
    """Return how many seconds ago a frame of `DriverQueue` was captured."""
    return time.monotonic() - np.frombuffer(image[-1, -8:, 1].tobytes(), np.float64)[0]


class SlowNetwork(FakeNetwork):
    def __call__(self, crops):
        time.sleep(0.2)
        return super().__call__(crops)


def test_a_slow_network_sees_the_world_as_it_is_now(tiny_pose, tmp_path, monkeypatch):
    """With a network of 200 ms and a queue of four frames, frames that are read one by one are 980 ms old."""
    ages, stated, shown_at = [], [], []

    class Screen:
        def __init__(self, _):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, canvas):
            ages.append(age_of(canvas))
            shown_at.append(time.monotonic())
            return len(ages) < 12

    class Label(RateLabel):
        def draw(self, canvas, latency_s):
            stated.append(latency_s)
            return super().draw(canvas, latency_s)

    monkeypatch.setattr(live.cv2, "VideoCapture", DriverQueue)
    monkeypatch.setattr(demo, "Window", Screen)
    monkeypatch.setattr(demo, "RateLabel", Label)
    monkeypatch.setattr(demo, "draw_frame", lambda result, style=None: result.image.copy())
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector(), InferenceOptions())
    inferencer.pose.network = SlowNetwork()
    run_demo(inferencer, 0, tmp_path, OutputOptions(html=False), show=True)
    # At most one frame time, and 50 ms: more than one frame of the camera. Frames that are read one by one are 4.9 frame
    # times old. Medians, because a machine at work delays single frames.
    frame_time = statistics.median(np.diff(shown_at[2:]))
    assert frame_time >= 0.2
    assert statistics.median(ages[2:]) <= frame_time + 0.05
    assert statistics.median(np.abs(np.subtract(stated, ages))) < 0.03
    assert (tmp_path / "camera0.mp4").exists()


@pytest.fixture
def ctrl_c():
    """Let an interrupt raise KeyboardInterrupt, also where the tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_the_frames_so_far_and_frees_the_camera(tiny_pose, tmp_path, monkeypatch, ctrl_c):
    cameras = []
    monkeypatch.setattr(live.cv2, "VideoCapture", lambda number: cameras.append(DriverQueue(number)) or cameras[-1])
    drawn = []

    def draw(result, style):
        if len(drawn) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        drawn.append(result.index)
        return result.image.copy()

    monkeypatch.setattr(demo, "draw_frame", draw)
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector(), InferenceOptions())
    inferencer.pose.network = FakeNetwork()
    with pytest.raises(KeyboardInterrupt):
        run_demo(inferencer, 0, tmp_path, OutputOptions(html=False))
    content = json.loads((tmp_path / "camera0.json").read_text())
    assert content["complete"] is False
    # Frames that were inferred before the key was pressed are written too.
    assert [frame["index"] for frame in content["frames"]] == drawn
    assert content["num_frames"] >= 4
    assert cameras[0].released
    assert not list(tmp_path.glob(".*"))


def test_the_label_says_rate_and_latency(monkeypatch):
    now = iter([10.0, 10.1, 10.2, 10.3])
    monkeypatch.setattr("interhand_mm.inference.io.window.time.monotonic", lambda: next(now))
    label, canvas = RateLabel(), np.full((240, 320, 3), 90, np.uint8)
    for _ in range(4):
        shown = label.draw(canvas, 0.113)
    assert label.text(0.113) == "10.0 fps, 113 ms"
    assert label.text(None) == "10.0 fps"
    assert (canvas == 90).all()
    assert (shown[:20, :60] != 90).any()
    assert (shown[40:] == 90).all()


class Unplugged:
    """A camera whose cable is pulled after five frames; two reads before are empty."""

    made: list = []

    def __init__(self, number):
        self.number, self.reads, self.released = number, 0, False
        self.made.append(self)

    def isOpened(self):
        return self.number == 0

    def get(self, _):
        return 30.0

    def set(self, *_):
        return True

    def read(self):
        self.reads += 1
        time.sleep(0.05)
        alive = self.reads <= 7 and self.reads not in (2, 5)
        return alive, np.tile(np.arange(160, dtype=np.uint8)[None, :, None], (120, 1, 3))

    def release(self):
        self.released = True


def test_camera_unplugged_and_absent(monkeypatch):
    monkeypatch.setattr(live.cv2, "VideoCapture", Unplugged)
    with pytest.raises(InputError, match="camera 3 cannot be opened"):
        open_source(3)
    camera, frames = open_source(0), []
    with pytest.raises(InputError, match="delivers no more frames\n  got:  5 frames"):
        frames.extend(camera)
    # A machine at work may pass over a frame.
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert (frames[0].time_s, frames[-1].index) == (0, 4)
    assert len(frames) + camera.passed_over == 5
    assert Unplugged.made[-1].released
    mirrored = next(iter(Camera(0, mirror=True)))
    assert (mirrored.image[:, ::-1] == frames[0].image).all()


# --- the thread that writes ---


def test_work_is_done_in_order_and_nothing_is_lost():
    done, caller = [], threading.get_ident()

    def work(item):
        assert threading.get_ident() != caller
        time.sleep(0.002)
        done.append(item)

    queue = BackgroundQueue(work, max_items=3)
    for number in range(50):
        queue.put(number)
    queue.close()
    assert done == list(range(50))


@pytest.mark.parametrize(("limits", "sizes"), [({"max_items": 2}, [0, 0]), ({"max_size": 10}, [4, 6])])
def test_a_full_queue_makes_wait_and_no_longer(limits, sizes):
    gate, done = threading.Event(), []
    queue = BackgroundQueue(lambda item: (gate.wait(10), done.append(item)), **limits)
    for item, size in enumerate(sizes):
        queue.put(item, size)
    threading.Timer(0.1, gate.set).start()
    start = time.monotonic()
    queue.put("last", 5)
    assert time.monotonic() - start > 0.05
    assert done
    queue.close()
    assert done == [0, 1, "last"]


def test_an_error_of_the_work_is_raised_where_the_items_come_from():
    def work(item):
        raise OutputError(f"the disk is full at {item}")

    queue = BackgroundQueue(work)
    queue.put(0)
    with pytest.raises(OutputError, match="full at 0"):
        queue.close()
    with pytest.raises(OutputError, match="full at 0"):
        queue.put(1)
    queue.close(quiet=True)


def test_an_interruption_of_close_drops_what_waits_and_waits_for_what_is_in_work(monkeypatch):
    gate, done = threading.Event(), []
    queue = BackgroundQueue(lambda item: (gate.wait(10), time.sleep(0.05), done.append(item)))
    for item in range(3):
        queue.put(item)
    join = queue._thread.join

    def interrupted(timeout=None):
        if timeout is not None:
            gate.set()
            raise KeyboardInterrupt
        join()

    monkeypatch.setattr(queue._thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.close()
    assert done == [0]


def test_the_networks_do_not_wait_for_the_encoder(tiny_pose, tmp_path, monkeypatch):
    def slow(result, style=None):
        time.sleep(0.1)
        return result.image.copy()

    monkeypatch.setattr(demo, "draw_frame", slow)
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector(), InferenceOptions())
    inferencer.pose.network = FakeNetwork()
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), scene((20, 30, 90, 90)))
    table = run_demo(inferencer, folder, tmp_path / "out", OutputOptions(html=False))
    assert inferencer.watch.seconds["write"] < 0.1
    assert inferencer.watch.beside_s > 0.6
    assert "drawing and writing, in a thread" in table
    assert len(list((tmp_path / "out").iterdir())) == 12


def test_an_error_while_writing_ends_the_run(tiny_pose, tmp_path, monkeypatch):
    def broken(result, style=None):
        raise OutputError("cannot draw")

    monkeypatch.setattr(demo, "draw_frame", broken)
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector(), InferenceOptions())
    inferencer.pose.network = FakeNetwork()
    with pytest.raises(OutputError, match="cannot draw"):
        run_demo(inferencer, scene((20, 30, 90, 90)), tmp_path)
    assert threading.active_count() < 20
