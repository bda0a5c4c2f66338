"""Everything framewright raises on purpose.

    FramewrightError
    ├── InputError                 the user must change something; never retried
    │   ├── SourceRefused          the video cannot be scored (``reason`` says which rule)
    │   ├── ScorerOptionError      unknown scorer, style, or option value
    │   ├── OutputRefused          the output path or its container cannot be used
    │   ├── OutOfMemory            not even one frame fits into the device's memory
    │   ├── StoreKeyError          a storage key or address that is not allowed
    │   ├── StoreDenied            storage does not allow it: a right is missing
    │   └── EnvironmentMismatch    a worker runs other code or weights than the driver
    ├── TransientError             worth retrying
    │   ├── StoreUnavailable       storage did not answer
    │   └── WorkerLost             a worker process died while it scored
    └── EngineBug                  must not happen; please report it, unless the text says better
        ├── FrameCountError        frames were lost or gained
        ├── TimestampError         frames came out at other times than planned
        ├── VerificationError      the finished file is not what was planned
        ├── ManifestError          a manifest, bundle or unit record does not read back
        └── ScorerFailed           a scorer raised, or returned what is not allowed

A caller decides by class, never by text.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "EngineBug",
    "EnvironmentMismatch",
    "FrameCountError",
    "FramewrightError",
    "InputError",
    "ManifestError",
    "OutOfMemory",
    "OutputRefused",
    "RefusalReason",
    "ScorerFailed",
    "ScorerOptionError",
    "SourceRefused",
    "StoreDenied",
    "StoreKeyError",
    "StoreUnavailable",
    "TimestampError",
    "TransientError",
    "VerificationError",
    "WorkerLost",
]

RefusalReason = Literal[
    "not_found",
    "empty",
    "unreadable",
    "unsafe",
    "no_video",
    "still_image",
    "no_frames",
    "truncated",
    "damaged",
    "too_large",
    "unsupported",
    "too_slow",
    "superseded",
    "crash",
]


class FramewrightError(Exception):
    """Root of the tree; catch it to catch everything framewright raises on purpose."""


class InputError(FramewrightError):
    """The user must change something; trying again unchanged fails again."""


class SourceRefused(InputError):
    """The source video cannot be scored.

    Attributes:
        reason: the rule that refused it, as one stable word.
        frame: number of the first frame that it is about, where it is about one.
    """

    def __init__(self, reason: RefusalReason, message: str, frame: int | None = None) -> None:
        super().__init__(f"refused ({reason}): {message}")
        self.reason = reason
        self.message = message
        self.frame = frame

    def __reduce__(self) -> tuple[type[SourceRefused], tuple[str, str, int | None]]:
        return type(self), (self.reason, self.message, self.frame)


class ScorerOptionError(InputError):
    """A scorer, a style or an option of a scorer is not known or has a value out of range."""


class OutputRefused(InputError):
    """The output path, or the container its suffix asks for, cannot be used."""


class OutOfMemory(InputError):
    """Not even a batch of one frame fits into the memory of the device."""


class StoreKeyError(InputError):
    """A storage key or a storage address is not allowed."""


class StoreDenied(InputError):
    """The storage does not allow it.

    Attributes:
        right: what is missing: read, write, list or delete; empty where nothing signs in at all.
    """

    def __init__(self, message: str, right: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.right = right

    def __reduce__(self) -> tuple[type[StoreDenied], tuple[str, str]]:
        return type(self), (self.message, self.right)


class EnvironmentMismatch(InputError):
    """A worker would compute something else than the driver planned: other code or weights."""


class TransientError(FramewrightError):
    """Nothing is wrong with the input; the same call may succeed later."""


class StoreUnavailable(TransientError):
    """The storage did not answer, or answered that it cannot now."""


class WorkerLost(TransientError):
    """A worker process died while it scored; its unit can be scored again."""


class EngineBug(FramewrightError):
    """Something that must not happen did; trying again unchanged fails again.

    Attributes:
        message: what happened, without ``REPORT``.
        report: whether ``REPORT`` follows the message. False where the message itself says what
            the user can do.
    """

    REPORT = (
        "This is a defect in framewright, not in your file: please report it with this message "
        "and the output of `framewright doctor`."
    )

    def __init__(self, message: str, report: bool = True) -> None:
        super().__init__(f"{message} {self.REPORT}" if report else message)
        self.message = message
        self.report = report

    def __reduce__(self) -> tuple[type[EngineBug], tuple[object, ...]]:
        return type(self), (self.message, self.report)


class FrameCountError(EngineBug):
    """Frames were lost or gained.

    Attributes:
        expected: frames that should be there.
        actual: frames that are.
        where: the stage that counted.
    """

    def __init__(self, expected: int, actual: int, where: str) -> None:
        super().__init__(f"{where}: expected {expected} frames, got {actual}.")
        self.expected = expected
        self.actual = actual
        self.where = where

    def __reduce__(self) -> tuple[type[EngineBug], tuple[object, ...]]:
        return type(self), (self.expected, self.actual, self.where)


class TimestampError(EngineBug):
    """Frames came out at other presentation times than the plan says."""


class VerificationError(EngineBug):
    """The finished file, read back, is not what was planned."""


class ManifestError(EngineBug):
    """A manifest, bundle or unit record is not readable or contradicts itself."""


class ScorerFailed(EngineBug):
    """A scorer raised an error of its own, or returned what its contract does not allow.

    Attributes:
        traceback: where it raised, as text of several lines; empty where it only returned.
    """

    REPORT = (
        "This is a defect in the scorer, not in your file: please report it to those who make the "
        "scorer, with this message and what --verbose shows."
    )

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[EngineBug], tuple[object, ...]]:
        return type(self), (self.message, self.traceback)
