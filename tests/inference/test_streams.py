from __future__ import annotations

import http.server
import logging
import socketserver
import struct
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from interhand_mm.errors import InputError
from interhand_mm.inference.io import streams
from interhand_mm.inference.io.naming import output_stems
from interhand_mm.inference.io.sources import open_source
from interhand_mm.utils.provenance import provenance
from tests.inference.test_sources import write_video


class Server(http.server.ThreadingHTTPServer):
    """Serve /live.mjpg as IP cameras do: numbered JPEGs without an end. A connection breaks after `frames` of them."""

    def __init__(self, frames=10_000, connections=10_000, file=b""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.frames, self.connections, self.file, self.opened = frames, connections, file, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/file":
            self.reply("video/mp4", len(self.server.file))
            self.wfile.write(self.server.file)
            return
        self.server.opened += 1
        if self.path.partition("?")[0] != "/live.mjpg" or self.server.opened > self.server.connections:
            self.send_error(404)
            return
        self.reply("multipart/x-mixed-replace; boundary=frame")
        for number in range(self.server.frames):
            image = np.full((120, 320, 3), 40, np.uint8)
            image[:, 4 * (number % 80) : 4 * (number % 80) + 4] = 255
            data = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            time.sleep(1 / 60)

    def reply(self, kind, length=None):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


class RtspCamera(socketserver.ThreadingTCPServer):
    """A camera that sends an MPEG transport stream in RTP packets over the connection of RTSP."""

    daemon_threads = True

    def __init__(self, transport_stream):
        super().__init__(("127.0.0.1", 0), RtspHandler)
        self.stream, self.asked = transport_stream, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RtspHandler(socketserver.StreamRequestHandler):
    sdp = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=hands\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 33\r\na=control:track1\r\n"
    )

    def handle(self):
        while request := self.rfile.readline().decode():
            head = {}
            while line := self.rfile.readline().decode().strip():
                name, _, head[name] = line.partition(": ")
            method = request.split()[0]
            self.server.asked.append((method, head.get("Transport", "")))
            more = {
                "OPTIONS": "Public: DESCRIBE, SETUP, PLAY\r\n\r\n",
                "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(self.sdp)}\r\n\r\n{self.sdp}",
                "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
                "PLAY": "Session: 1\r\n\r\n",
            }[method]
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {head['CSeq']}\r\n{more}".encode())
            if method == "PLAY":
                self.play()
                return

    def play(self):
        size, start = 7 * 188, time.monotonic()
        for number in range(len(self.server.stream) // size):
            ticks = round((time.monotonic() - start) * 90_000)
            packet = struct.pack(">BBHII", 0x80, 33, number % 65536, ticks, 1)
            packet += self.server.stream[number * size : (number + 1) * size]
            try:
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            except OSError:
                return
            time.sleep(0.005)


@pytest.fixture
def serve():
    servers = []

    def make(**kwargs):
        servers.append(Server(**kwargs))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def number_of(frame):
    return int(frame.image.mean(axis=(0, 2)).argmax()) // 4


def test_a_stream_is_a_live_source_without_secrets_in_its_name(serve, tmp_path):
    server = serve()
    address = server.address("live.mjpg").replace("//", "//me:secret@") + "?token=1"
    source = open_source(address)
    assert (source.kind, source.name) == ("camera", server.address("live.mjpg"))
    assert streams.public_address(f"a {address} b") == f"a {server.address('live.mjpg')} b"
    frames = []
    for frame in source:
        frames.append(frame)
        time.sleep(0.1)
        if len(frames) == 4:
            break
    # Sixty frames per second arrive and ten are taken: the newest ones.
    assert [number_of(frame) - number_of(frames[0]) for frame in frames] == pytest.approx(
        [frame.index for frame in frames], abs=2
    )
    assert frames[-1].index > 9
    assert frames[-1].image.shape == (120, 320, 3)
    assert output_stems(tmp_path, source) == {source.name: tmp_path / f"http_127.0.0.1_{server.server_port}_live.mjpg"}


def test_rtsp_is_read_over_tcp(tmp_path):
    path = write_video(tmp_path / "a.ts", [round(1000 * i / 30) for i in range(39)], size=(320, 240))
    camera = RtspCamera(path.read_bytes() * 40)
    source = open_source(f"rtsp://me:secret@127.0.0.1:{camera.server_address[1]}/live")
    assert source.name == f"rtsp://127.0.0.1:{camera.server_address[1]}/live"
    frames = iter(source)
    shown = [next(frames) for _ in range(3)]
    frames.close()
    camera.shutdown()
    camera.server_close()
    assert all(frame.image.shape == (240, 320, 3) for frame in shown)
    assert shown[0].time_s == 0 < shown[1].time_s < shown[2].time_s
    assert "TCP" in dict(camera.asked)["SETUP"]


def test_a_lost_stream_is_opened_again_and_given_up_after_the_last_try(serve, monkeypatch):
    messages = []
    monkeypatch.setattr("mmengine.logging.print_log", lambda message, _, level: messages.append((message, level)))
    monkeypatch.setattr(streams, "_WAITS_S", (0.01, 0.02))
    server = serve(frames=12, connections=3)
    source, frames = open_source(server.address("live.mjpg")), []
    with pytest.raises(
        InputError, match=r"cannot be opened again: http(.|\n)*frames so far\n  fix:  check that"
    ) as error:
        frames.extend(source)
    assert server.opened == 5
    lost = f"stream {source.name} was lost ("
    assert all(message.startswith(lost) and level == logging.WARNING for message, level in messages)
    # Twice one try suffices, and then two fail.
    assert [message[-12:] for message, _ in messages] == ["(try 1 of 2)"] * 3 + ["(try 2 of 2)"]
    assert "connecting again in 0 s" in messages[0][0]
    assert frames[-1].index > 24
    assert "Not Found" in str(error.value)


def test_closing_does_not_wait_for_the_next_try(serve, monkeypatch):
    monkeypatch.setattr(streams, "_WAITS_S", (60.0,))
    asked = threading.Event()
    monkeypatch.setattr("mmengine.logging.print_log", lambda *_: asked.set())
    frames = iter(open_source(serve(frames=5).address("live.mjpg")))
    next(frames)
    assert asked.wait(20)
    start = time.monotonic()
    frames.close()
    assert time.monotonic() - start < 2


def test_addresses_that_are_no_live_stream(serve, tmp_path):
    server = serve(file=write_video(tmp_path / "a.mp4", [0, 40, 80]).read_bytes())
    with pytest.raises(InputError, match=r"cannot be opened: http.*/none\n  got:  .*Not Found.*\n  fix:  check that"):
        open_source(server.address("none"))
    with pytest.raises(InputError, match=r"a file, not of a live stream(.|\n)*download"):
        open_source(server.address("file"))
    with pytest.raises(InputError, match=r"cannot be opened: rtsp://127\.0\.0\.1:9/x\n  got:  Connection refused"):
        open_source("rtsp://127.0.0.1:9/x")


def test_the_command_in_the_provenance_has_no_password(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["webcam_demo.py", "--camera=rtsp://me:p@ss@host/x?key=1", "--smooth"])
    assert provenance()["command"] == "webcam_demo.py --camera=rtsp://host/x --smooth"
