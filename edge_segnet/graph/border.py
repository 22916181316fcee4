"""Where a model from outside is worked on: whatever its contradictions make of our code or of onnx is one line."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from edge_segnet.core.errors import EdgeSegnetError, ModelError

logger = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def model_border(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """Any other exception becomes a ModelError; where it was raised is in the log at level debug."""

    @functools.wraps(work)
    def guarded(*arguments: _P.args, **named: _P.kwargs) -> _R:
        try:
            return work(*arguments, **named)
        except EdgeSegnetError:
            raise
        except Exception as error:
            logger.debug("%s", work.__name__, exc_info=True)
            lines = str(error).strip().splitlines()
            why = f"{type(error).__name__}{': ' if lines else ''}{lines[0] if lines else ''}"
            raise ModelError(f"the graph contradicts itself ({why})", hint="export the model again") from error

    return guarded
