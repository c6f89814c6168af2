"""The limit of ``strict='skip'``: a few unusable images are left out, a missing folder is an error."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..errors import ImageError

FIRST_SAMPLES, LARGEST_SHARE = 1000, 0.05


class SkipLimit:
    """Count the samples that are left out, and stop if more than 5 % of the first 1,000 cannot be used."""

    def __init__(self) -> None:
        self.seen = self.skipped = 0
        self._absent: Counter[str] = Counter()

    def count(self, reason: str, img_path: str) -> None:
        """Count a sample.

        Args:
            reason: Why the sample was left out; empty if it was not.
            img_path: Path of its image.

        Raises:
            ImageError: Too many of the first samples were left out. The message names the folder that is missing.
        """
        self.seen += 1
        if not reason:
            return
        self.skipped += 1
        if self.seen > FIRST_SAMPLES:
            return
        if folder := missing_folder(img_path):
            self._absent[folder] += 1
        if self.skipped > FIRST_SAMPLES * LARGEST_SHARE:
            example = f"for example: {reason.splitlines()[0]}"
            for folder, _ in self._absent.most_common(1):
                example = f"the folder {folder} does not exist"
            raise ImageError(
                f"too many samples cannot be used: {self.skipped} of the first {self.seen}",
                got=example,
                want=f"at most {LARGEST_SHARE:.0%} of the first {FIRST_SAMPLES:,}, with strict='skip'",
                fix="unpack the images; to use a part of the data set, list it with ann_ids_file or a blocklist",
            )


def missing_folder(path: str | Path) -> str | None:
    """Return the topmost folder of a path that does not exist, or None if the folder of the file exists."""
    missing = None
    for folder in Path(path).parents:
        if folder.is_dir():
            break
        missing = str(folder)
    return missing
