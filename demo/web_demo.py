"""Estimate hands on a page in the browser: drop an image or a clip, or use the browser's camera.

python demo/web_demo.py
python demo/web_demo.py DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT --device cuda --smooth --port 8000

Without networks, those that the package carries are used. The page needs Gradio (pip install -r requirements/web.txt).
Only this computer can open it, nothing is sent elsewhere, and uploads and results are deleted when the demo ends.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from interhand_mm.cli.arguments import ToolParser, add_inference_options, check_inference_arguments, run
from interhand_mm.errors import ConfigError, InterHandError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from interhand_mm import InterHandInferencer
    from interhand_mm.structures.results import FrameResult, HandsResult

HOST = "127.0.0.1"
EXAMPLE = Path(__file__).with_name("hands.jpg")
KEPT_RESULTS = 20
# The page may load nothing from other servers. Gradio's scripts are inline and evaluate templates.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: data: blob:; frame-ancestors 'self'"
)
_CLIP_HEADINGS = ("time, s", "track")
_HEADINGS = ("hand", "present", "probability", "wrist x, mm", "wrist y, mm", "wrist z, mm")
_FRAMES_IN_TABLE = 200
_CAMERAS = {
    "user": "The camera is the one that the demo was started with.",
    "exif": "The focal length was read from the file.",
    "assumed": "The camera is unknown; a field of view of 65 degrees is assumed.",
}
_GUESSED = "Millimeters assume an average adult's hand, so they are a guess."
_INTRO = """# Hands in 3D
Drop an image or a clip, or use your camera. Everything stays on this computer."""
_VIEW_STYLE = "width: 100%; height: 900px; border: 0"
_FONTS = ["system-ui", "sans-serif"]


class WebDemo:
    """Runs the networks for the page, one request after the other.

    Args:
        inferencer: The networks and their options.
        folder: Folder for results. The newest `KEPT_RESULTS` stay there.
    """

    def __init__(self, inferencer: InterHandInferencer, folder: Path) -> None:
        self.inferencer, self.folder, self._lock = inferencer, folder, threading.Lock()
        self._results: deque[Path] = deque()

    def answer(self, path: str | Path, mirror: bool, smooth: bool) -> tuple[Any, ...]:
        """Estimate the hands in a file; return the page's summary, view, table and files.

        Raises:
            InterHandError: The file cannot be used.
        """
        import gradio

        from interhand_mm import read_results

        out = self.estimate(path, mirror, smooth)
        frames = [frame for numbers in out.glob("*.json") for frame in read_results(numbers)]
        # A long clip has a page per minute; the first one links to the others.
        first = min(out.glob("*.html"), key=lambda page: len(page.name)).name
        view = f'<iframe src="/view/{out.name}/{quote(first)}" title="Result" style="{_VIEW_STYLE}"></iframe>'
        table, files = table_of(frames), [str(file) for file in sorted(out.iterdir())]
        return (
            summary_of(frames),
            view,
            gradio.update(value=table, visible=bool(table["data"])),
            gradio.update(value=files, visible=True),
        )

    def estimate(self, path: str | Path, mirror: bool, smooth: bool) -> Path:
        """Run the demo on a file and return the folder with the overlay, the numbers and the 3D page.

        Raises:
            InterHandError: The file cannot be used.
        """
        from interhand_mm.inference.run import run_demo

        out = self.folder / uuid.uuid4().hex
        with self._lock:
            before = self.inferencer.options
            self.inferencer.options = replace(before, mirror=mirror, smooth=smooth)
            try:
                run_demo(self.inferencer, str(path), out)
            finally:
                self.inferencer.options = before
                self._results.append(out)
                while len(self._results) > KEPT_RESULTS:
                    shutil.rmtree(self._results.popleft(), ignore_errors=True)
        return out


def table_of(frames: Sequence[FrameResult]) -> dict[str, Any]:
    """Return "headers" and "data": one row per hand, for frames that are evenly spread over a clip.

    Images have no times and tracks.
    """
    stride = -(-len(frames) // _FRAMES_IN_TABLE) or 1
    rows = [row for frame in frames[::stride] for hands in frame.hands for row in _rows_of(frame, hands)]
    first = 0 if len(frames) > 1 else len(_CLIP_HEADINGS)
    return {"headers": [*_CLIP_HEADINGS, *_HEADINGS][first:], "data": [row[first:] for row in rows]}


def _rows_of(frame: FrameResult, hands: HandsResult) -> list[list[Any]]:
    from interhand_mm.structures.joints import HANDS, RIGHT_WRIST, SIDES

    rows = []
    for side, joints in enumerate(HANDS):
        if hands.presence[side] == "no":
            continue
        wrist = hands.keypoints_mm[joints][RIGHT_WRIST]
        millimeters = [None if value != value else round(float(value)) for value in wrist]  # NaN differs from itself
        track = hands.track_ids[side]
        time_s = None if frame.time_s is None else round(frame.time_s, 2)
        prob = round(float(hands.hand_prob[side]), 2)
        rows.append([time_s, track, SIDES[side], hands.presence[side], prob, *millimeters])
    return rows


def summary_of(frames: Sequence[FrameResult]) -> str:
    """Return in words what was found, and where the millimeters come from."""
    counts = [sum(presence != "no" for hands in frame.hands for presence in hands.presence) for frame in frames]
    if not any(counts):
        return "**No hands were found.** Hands that are larger and brighter in the image are found more easily."
    found = f"**{counts[0]} {'hand' if counts[0] == 1 else 'hands'} found.**"
    if len(frames) > 1:
        found = f"**Hands in {sum(map(bool, counts))} of {len(frames)} frames**, at most {max(counts)} at a time."
    camera = _CAMERAS[frames[0].intrinsics.source]
    guessed = any(hands.depth_source == "hand_size" for frame in frames for hands in frame.hands)
    return f"{found} {camera} {_GUESSED if guessed else ''}".strip()


def words_of(error: InterHandError, path: str | Path) -> str:
    """Return an error about a file as text for the page, with the file's name in place of its path."""
    lines = [f"**This does not work: {error.what}**", error.got and f"Found: {error.got}"]
    lines += [error.want and f"Expected: {error.want}", error.fix and f"What helps: {error.fix}"]
    return "\n\n".join(line for line in lines if line).replace(str(path), Path(path).name)


class ContentPolicy:
    """ASGI middleware that adds the page's content security policy. The results have a stricter one of their own.

    Args:
        app: The application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start" and not scope["path"].startswith("/view/"):
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self.app(scope, receive, send_with_policy)


def build_app(demo: WebDemo) -> FastAPI:
    """Return the web application: the page at /, and the files of the results at /view/ID/NAME."""
    import gradio
    from fastapi import FastAPI
    from fastapi.responses import FileResponse, PlainTextResponse
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # Otherwise a page of another server could reach this one through a name that it points to this computer.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_middleware(ContentPolicy)

    @app.get("/view/{result}/{name}")
    def view(result: str, name: str) -> Any:
        folder = demo.folder / result
        # The name is looked up among the files, so that no path leads out of the folder.
        files = {file.name: file for file in folder.iterdir()} if result.isalnum() and folder.is_dir() else {}
        if name in files:
            return FileResponse(files[name])
        return PlainTextResponse("This result is gone.", status_code=404)

    return gradio.mount_gradio_app(
        app,
        build_page(demo),
        path="/",
        server_name=HOST,
        allowed_paths=[str(demo.folder)],
        footer_links=[],
        ssr_mode=False,
        theme=gradio.themes.Soft(font=_FONTS, font_mono=["monospace"]),  # fonts of the system: none are loaded
    )


def build_page(demo: WebDemo) -> Any:
    """Return the page (`gradio.Blocks`)."""
    import gradio

    options = demo.inferencer.options

    def estimate(path: str | None, mirror: bool, smooth: bool) -> tuple[Any, ...]:
        """Return what the page shows for one file: the summary, the view, the table and the files."""
        nothing = ("", gradio.update(visible=False), gradio.update(visible=False))
        if not path:
            return ("Choose an image or a clip first.", *nothing)
        try:
            return demo.answer(path, mirror, smooth)
        except InterHandError as error:
            return (words_of(error, path), *nothing)

    with gradio.Blocks(title="Hands in 3D", analytics_enabled=False) as page:
        gradio.Markdown(_INTRO)
        with gradio.Row():
            with gradio.Column(min_width=320):
                with gradio.Tab("Image or clip"):
                    file = gradio.File(label="Image or clip", height=170)
                with gradio.Tab("Take a photo"):
                    webcam = gradio.WebcamOptions(mirror=False)
                    photo = gradio.Image(
                        label="Camera", sources=["webcam"], type="filepath", format="png", webcam_options=webcam
                    )
            with gradio.Column(min_width=320):
                mirror = gradio.Checkbox(options.mirror, label="The image is mirrored, as selfie cameras record it")
                smooth = gradio.Checkbox(options.smooth, label="Smooth the motion in clips")
                example = gradio.Button("Try the example image", visible=EXAMPLE.is_file())
                summary = gradio.Markdown("The result appears below.")
        view = gradio.HTML()
        table = gradio.Dataframe(label="Numbers", interactive=False, max_height=300, visible=False)
        files = gradio.File(label="Files to download", interactive=False, visible=False)
        shared: dict[str, Any] = {"outputs": [summary, view, table, files], "concurrency_limit": 1}
        file.upload(estimate, [file, mirror, smooth], api_name="estimate", **shared)
        photo.input(estimate, [photo, mirror, smooth], api_name=False, **shared)
        example.click(lambda *ticked: estimate(str(EXAMPLE), *ticked), [mirror, smooth], api_name=False, **shared)
    return page


def check_port(port: int) -> None:
    """Raise `ConfigError` if the page cannot use a port. Checked first, because the networks take seconds to load."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"the page cannot use port {port}", got=error, fix="--port with another number"
            ) from error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_inference_options(parser)
    parser.add_argument("--mirror", action="store_true", help="tick the page's box for mirrored images")
    parser.add_argument("--port", type=int, default=7860, help="port of the page on this computer [7860]")
    return parser.parse_intermixed_args()  # networks may stand before and after the options


def main() -> None:
    args = parse_args()
    check_inference_arguments(args)
    check_port(args.port)
    with tempfile.TemporaryDirectory(prefix="interhand_web_") as folder:
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "0"
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")  # Gradio reads both when it is imported
        try:
            import gradio  # noqa: F401
            import uvicorn
        except ImportError as error:
            fix = "pip install -r requirements/web.txt"
            raise ConfigError("the page needs the package gradio", got=error, fix=fix) from error
        from interhand_mm.cli.demo import build_inferencer

        results = Path(folder) / "results"
        results.mkdir()
        app = build_app(WebDemo(build_inferencer(args), results))
        print(f"open http://{HOST}:{args.port} in a browser; Ctrl-C ends the demo", flush=True)
        uvicorn.run(app, host=HOST, port=args.port, log_level="warning")


if __name__ == "__main__":
    run(main)
