"""Typed errors. A message says what is wrong, what was got, what was wanted, and the fix."""

from __future__ import annotations


class InterHandError(Exception):
    """Parent of every error this package raises on purpose.

    Args:
        what: What is wrong, naming the file, key or id.
        got: What was found; left out of the message when None.
        want: What would have been right; left out when None.
        fix: The command or change that fixes it; left out when None.
    """

    def __init__(self, what: str, *, got: object = None, want: object = None, fix: str | None = None) -> None:
        self.what, self.got, self.want, self.fix = what, got, want, fix
        parts = [what]
        if got is not None:
            parts.append(f"  got:  {got}")
        if want is not None:
            parts.append(f"  want: {want}")
        if fix is not None:
            parts.append(f"  fix: {fix}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple:
        """Keep the parts when an error crosses from a loader's worker to the main process."""
        return _rebuild, (type(self), self.what, self.got, self.want, self.fix)


def _rebuild(cls: type[InterHandError], what: str, got: object, want: object, fix: str | None) -> InterHandError:
    return cls(what, got=got, want=want, fix=fix)


class AnnotationError(InterHandError):
    """An annotation file is missing, cut short, not in the expected format or contradicts another one."""


class ImageError(InterHandError):
    """An image is missing, unreadable, all black or of another size than annotated."""


class BackgroundError(InterHandError):
    """The photographs for background replacement are missing or unusable."""


class DataContractError(InterHandError):
    """A sample does not hold what the data contract promises at this stage."""


class CheckpointError(InterHandError):
    """A checkpoint is unsafe, unreadable, or of another family or shape than the model."""


class ConfigError(InterHandError):
    """A config or an override names something that does not exist or contradicts itself."""


class EvaluationError(InterHandError):
    """Predictions and ground truth do not belong together."""


class InputError(InterHandError):
    """What inference is given cannot be used: a file, a folder, a camera, a box or a camera's numbers."""


class OutputError(InterHandError):
    """Results cannot be written or shown there."""


class ExportError(InterHandError):
    """An exported model does not give what the network gives."""
