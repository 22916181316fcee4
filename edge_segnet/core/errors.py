"""Every error that a user can meet, each with an exit code and what to do next.

    EdgeSegnetError            1  a bug of ours (never raised as such)
    |-- UsageError             2  wrong flags or values
    |   `-- ConfigError        2  wrong configuration
    |-- ModelError             3  model or engine unusable
    |-- InputError             4  picture, video, folder or camera unusable
    |   |-- BadFrame           4  one frame can't be decoded, the next may be good
    |   |-- SourceLost         4  a source that worked stopped working
    |   `-- EndOfStream        -  not a failure: there are no more frames
    |-- OutputError            4  a result could not be written
    |-- PartialFailure         5  some inputs failed, the rest is done
    |-- DeviceLost             6  the GPU is gone; a restart may help
    `-- BudgetMissed           7  a budget or threshold was missed

The codes are the contract's; ``edge-segnet --help`` prints them.
"""

from __future__ import annotations

from typing import ClassVar


class EdgeSegnetError(Exception):
    """Says what happened, with the value and the place; ``hint`` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class UsageError(EdgeSegnetError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class ModelError(EdgeSegnetError):
    exit_code = 3


class InputError(EdgeSegnetError):
    exit_code = 4


class BadFrame(InputError):
    pass


class SourceLost(InputError):
    pass


class EndOfStream(InputError):
    pass


class OutputError(EdgeSegnetError):
    exit_code = 4


class PartialFailure(EdgeSegnetError):
    exit_code = 5


class DeviceLost(EdgeSegnetError):
    """``sticky``: every later call of this process would fail as well."""

    exit_code = 6

    def __init__(self, message: str, *, hint: str = "", sticky: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.sticky = sticky


class BudgetMissed(EdgeSegnetError):
    exit_code = 7
