"""Stage "data": rendered hands of disjoint subjects, and photographs."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import ConfigError
from ..utils.files import write_json
from . import photographs
from .processes import cores
from .settings import Settings, read_json

# Half of InterHand2.6M's size a side: still more than the networks see, in a third of the time to decode.
_SIZE = "256x168"
_DECIDES = ("num", "num_test", "seed", "size")


def make_data(settings: Settings, say: Callable[[str], None]) -> None:
    """Generate what is missing of the set and the photographs; a stopped run goes on where it was."""
    from ..synthesis.chunks import MANIFEST
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    options = SynthesisOptions(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE)
    known = read_json(settings.data / MANIFEST)
    if known is not None and any(known.get(key) != getattr(options, key) for key in _DECIDES):
        raise ConfigError(
            f"{settings.data} holds another set",
            got={key: known.get(key) for key in _DECIDES},
            want={key: getattr(options, key) for key in _DECIDES},
            fix="give another folder with --data, or the same --num and --seed as before",
        )
    report = settings.data / "report.json"
    if report.is_file():
        say(f"data: {settings.data} is complete")
    else:
        say(f"data: rendering {options.num} images for training and {options.num_test} of other subjects for the test")
        begun = time.monotonic()
        generate(settings.data, options, workers=min(len(cores()), 8))
        took = time.monotonic() - begun
        write_json(settings.out / "data.json", {"seconds": took, "images": options.num + options.num_test})
    photos = photographs.write_photographs(settings.data / "photographs", settings.seed)
    for split in photographs.PACKAGED:
        entry = photos[split]
        say(f"data: {entry['views']} views of {len(entry['sources'])} photographs for {split}")
        if entry["missing"]:
            say(f"data: not installed, so left out: {'; '.join(entry['missing'])}")
