"""Step "data": render hands of disjoint subjects, and write the photographs."""

from __future__ import annotations

import time

from ..errors import ConfigError
from ..utils.files import write_json
from . import photographs
from .processes import cores
from .settings import Log, Settings, read_json

# Half of InterHand2.6M's width and height. This is still more than the networks see, and decodes three times as fast.
_SIZE = "256x168"
_KEYS = ("num", "num_test", "seed", "size")


def make_data(settings: Settings, log: Log) -> None:
    """Generate the data set and the photographs. A run that was interrupted continues.

    Raises:
        ConfigError: The folder contains a data set of another size or seed.
    """
    from ..synthesis.chunks import MANIFEST
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    options = SynthesisOptions(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE)
    known = read_json(settings.data / MANIFEST)
    if known is not None and any(known.get(key) != getattr(options, key) for key in _KEYS):
        raise ConfigError(
            f"{settings.data} contains another data set",
            got={key: known.get(key) for key in _KEYS},
            want={key: getattr(options, key) for key in _KEYS},
            fix="choose another folder with --data, or use the same --num and --seed as before",
        )
    report = settings.data / "report.json"
    if report.is_file():
        log(f"data: {settings.data} is complete")
    else:
        log(f"data: rendering {options.num} training images and {options.num_test} test images of other subjects")
        begun = time.monotonic()
        generate(settings.data, options, workers=min(len(cores()), 8))
        took = time.monotonic() - begun
        write_json(settings.out / "data.json", {"seconds": took, "images": options.num + options.num_test})
    photos = photographs.write_photographs(settings.data / "photographs", settings.seed)
    for split in photographs.PACKAGED:
        entry = photos[split]
        log(f"data: {entry['views']} views of {len(entry['sources'])} photographs for {split}")
        if entry["missing"]:
            log(f"data: skipped photographs that are not installed: {'; '.join(entry['missing'])}")
