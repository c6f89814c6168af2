"""Step "data": render hands of disjoint subjects, and write the photographs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..utils.files import write_json
from . import photographs
from .processes import cores
from .settings import Log, Settings

if TYPE_CHECKING:
    from ..synthesis.plan import SynthesisOptions

# Half of InterHand2.6M's width and height. This is still more than the networks see, and decodes three times as fast.
_SIZE = "256x168"


def data_options(settings: Settings) -> SynthesisOptions:
    """Return the options of the data set of the pose networks."""
    from ..synthesis.plan import SynthesisOptions

    return SynthesisOptions(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE)


def make_data(settings: Settings, log: Log) -> None:
    """Generate the data set and the photographs. A run that was interrupted continues.

    Raises:
        ConfigError: The folder contains a data set of another size or seed, or one made by other code.
    """
    from ..synthesis.generate import generate, is_complete

    options = data_options(settings)
    if is_complete(settings.data, options):
        log(f"data: {settings.data} is complete")
    else:
        log(f"data: rendering {options.num} training images and {options.num_test} test images of other subjects")
        begun = time.monotonic()
        generate(settings.data, options, workers=min(len(cores()), 8))
        took = time.monotonic() - begun
        write_json(settings.out / "data.json", {"seconds": took, "images": options.num + options.num_test})
    photos = photographs.write_photographs(settings.data / "photographs", settings.seed, log)
    for split in photographs.PACKAGED:
        entry = photos[split]
        log(f"data: {entry['views']} views of {len(entry['sources'])} photographs for {split}")
        if entry["missing"]:
            log(f"data: skipped photographs that are not installed: {'; '.join(entry['missing'])}")
