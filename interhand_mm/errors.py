"""Typed errors. A message says what is wrong, what was found, what was expected, and how to fix it."""

from __future__ import annotations


class InterHandError(Exception):
    """Base class of all errors that this package raises on purpose.

    Args:
        what: One sentence or clause that says what is wrong, with the file, key or id.
        got: The value that was found, if it helps.
        want: The value that was expected, if it helps.
        fix: A command or change that fixes the error, if there is one.

    Example:
        >>> print(ConfigError("batch_size must be at least 1", got=0, fix="--batch-size 16"))
        batch_size must be at least 1
          got:  0
          fix:  --batch-size 16
    """

    def __init__(self, what: str, *, got: object = None, want: object = None, fix: str | None = None) -> None:
        self.what, self.got, self.want, self.fix = what, got, want, fix
        parts = [what]
        if got is not None:
            parts.append(f"  got:  {got}")
        if want is not None:
            parts.append(f"  want: {want}")
        if fix is not None:
            parts.append(f"  fix:  {fix}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple:
        """Keep the parts when an error is sent from a data loader's worker to the main process."""
        return _rebuild, (type(self), self.what, self.got, self.want, self.fix)


def _rebuild(cls: type[InterHandError], what: str, got: object, want: object, fix: str | None) -> InterHandError:
    return cls(what, got=got, want=want, fix=fix)


class AnnotationError(InterHandError):
    """An annotation file is missing, cut short, in an unexpected format, or contradicts another file."""


class ImageError(InterHandError):
    """An image is missing, unreadable, completely black, or has another size than annotated."""


class BackgroundError(InterHandError):
    """The photographs for background replacement are missing or unusable."""


class DataContractError(InterHandError):
    """A sample does not contain what the data contract requires at its stage."""


class CheckpointError(InterHandError):
    """A checkpoint is unsafe, unreadable, or does not fit the model."""


class ConfigError(InterHandError):
    """A config or an option names something that does not exist, is out of range, or contradicts itself."""


class EvaluationError(InterHandError):
    """Predictions and ground truth do not fit together."""


class InputError(InterHandError):
    """An input of inference cannot be used: a file, a folder, a camera, a box, or camera parameters."""


class OutputError(InterHandError):
    """Results cannot be written or shown."""


class ExportError(InterHandError):
    """An exported model does not predict the same as the network."""
