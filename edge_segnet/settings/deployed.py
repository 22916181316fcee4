"""Which model serves in the place of the settings' own, which did before, and how each change of it ended.

    STATE/models/  SHA256.onnx   what was deployed here, and may serve again
                   request.json  what is asked for: written by who asks, taken by the service
                   journal.json  all the rest: written by the service alone, so that a kill at any moment finds it whole

A model that is on trial stands in the journal as under way, and never as deployed: after a crash the old one serves.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from edge_segnet.core.documents import DeploymentDocument, DeploymentStage, utc
from edge_segnet.core.errors import ModelError
from edge_segnet.core.files import output_error, read_file, state_folder, write_bytes, write_durably
from edge_segnet.settings.limits import Limits
from edge_segnet.settings.schema import Config

KEPT: Final = 5
"""Models that served before, and can again."""
ATTEMPTS: Final = 100
"""Lines of history."""
MAX_BYTES: Final = 1 << 20
"""Of the journal: ``ATTEMPTS`` lines of some hundred bytes, with room. A larger file is not ours."""
_SHA: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Request:
    """What is asked for: the model of a file in the folder, judged for ``canary_s`` (0: not on live frames); or, with
    ``back``, the one that served before.
    """

    sha256: str
    name: str
    canary_s: float = 60.0
    limits: Limits = field(default_factory=Limits)
    back: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Served:
    """A model at work. ``instead_of``: what ``model:`` says in the settings; it stands for that and for nothing else.
    ``own``: it is that one itself.
    """

    sha256: str
    name: str
    instead_of: str
    own: bool = False


@dataclass(frozen=True)
class Attempt:
    """How a change of the model went, or goes. ``code``: the exit code for who asked."""

    id: str
    at: str
    sha256: str
    name: str
    stage: DeploymentStage
    message: str = ""
    code: int = 0

    def document(self) -> DeploymentDocument:
        """As the status tells it."""
        told = {key: value for key, value in vars(self).items() if key in DeploymentDocument.model_fields}
        return DeploymentDocument(**told)


@dataclass(frozen=True)
class Journal:
    """``deployed`` None: the settings' own model serves. ``before``: what served before it, newest last."""

    deployed: Served | None = None
    before: tuple[Served, ...] = ()
    under_way: Attempt | None = None
    attempts: tuple[Attempt, ...] = ()

    def stands_for(self, model: str) -> Served | None:
        """What is to serve where the settings name ``model``; None: that one itself."""
        return self.deployed if self.deployed is not None and self.deployed.instead_of == model else None

    def applied(self, config: Config) -> Config:
        """Settings with the deployed model in the place of their own, if it stands for that and is still there."""
        served = self.stands_for(config.model)
        if served is None or not file_of(served.sha256).is_file():
            return config
        return config.model_copy(update={"model": str(file_of(served.sha256))})

    def ended(self, attempt: Attempt) -> Journal:
        """It is history."""
        return replace(self, under_way=None, attempts=(*self.attempts, attempt)[-ATTEMPTS:])

    def swapped(self, new: Served, old: Served) -> Journal:
        """``new`` serves from now on, and ``old`` can again."""
        return replace(self, deployed=new, before=(*self.before, old)[-KEPT:])

    def back(self) -> Journal:
        """What served before serves again."""
        *others, last = self.before
        return replace(self, deployed=None if last.own else last, before=tuple(others))

    def write(self, *, durably: bool = True) -> None:
        """Raises OutputError: the state folder can't be written."""
        data = json.dumps({"schema": 1, **asdict(self)}, indent=1).encode() + b"\n"
        (write_durably if durably else write_bytes)(folder() / JOURNAL, data, 0o644)


JOURNAL: Final = "journal.json"
REQUEST: Final = "request.json"


def folder() -> Path:
    """Where all of this lies."""
    return state_folder() / "models"


def file_of(sha256: str) -> Path:
    """Of a model that was deployed here."""
    return folder() / f"{sha256}.onnx"


def engine_of(model: Path) -> Path:
    """Where a deployed model's engine lies."""
    return state_folder() / "engines" / f"{model.stem}.engine"


def begun(request: Request) -> Attempt:
    """The attempt of a request that was just taken."""
    return Attempt(request.id, utc(time.time(), "seconds"), request.sha256, request.name, "checking")


def read() -> Journal:
    """The journal; an empty one where nothing was ever deployed.

    Raises:
        ModelError: it is damaged, or may not be read.
    """
    path = folder() / JOURNAL
    try:
        return _journal(json.loads(read_file(path, MAX_BYTES)))
    except FileNotFoundError:
        return Journal()
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})", hint="ask as the service's user") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        hint = f"the settings' model serves; move {path.name} away, and deploy again"
        raise ModelError(f"{path}: damaged ({type(error).__name__}: {error})", hint=hint) from error


def _journal(told: Mapping[str, Any]) -> Journal:
    deployed, under_way = told["deployed"], told["under_way"]
    served = [_served(each) for each in told["before"]]
    return Journal(
        None if deployed is None else _served(deployed),
        tuple(served),
        None if under_way is None else Attempt(**under_way),
        tuple(Attempt(**each) for each in told["attempts"]),
    )


def _served(told: Mapping[str, Any]) -> Served:
    """Its hash names a file: nothing else may stand there."""
    found = Served(**told)
    if not found.own and not _SHA.fullmatch(found.sha256):
        raise ValueError(f"{found.sha256!r} is no SHA-256")
    return found


def ask(request: Request) -> None:
    """Leave it for the service; raises OutputError."""
    with _as_owner():
        write_durably(folder() / REQUEST, json.dumps(asdict(request)).encode(), 0o644)


def asked() -> Request | None:
    """What is asked for and was not taken yet; None: nothing. What can't be read is removed.

    Raises:
        ModelError: it is no request.
    """
    path = folder() / REQUEST
    try:
        told = json.loads(read_file(path, MAX_BYTES))
        request = Request(**{**told, "limits": Limits(**told["limits"])})
        if not request.back and not _SHA.fullmatch(request.sha256):
            raise ValueError(f"{request.sha256!r} is no SHA-256")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        withdraw()
        raise ModelError(f"{path}: no request ({error})", hint="ask with: edge-segnet service model") from error
    return request


def withdraw() -> None:
    """Nothing is asked for any more."""
    with contextlib.suppress(OSError):
        (folder() / REQUEST).unlink()


def keep(data: bytes, sha256: str) -> None:
    """Lay a model's file into the folder; raises OutputError."""
    with _as_owner():
        write_durably(file_of(sha256), data, 0o644)


@contextmanager
def _as_owner() -> Iterator[None]:
    """Root writes as the user to whom the state belongs: what lies there is his, links included, and what comes there
    must be.
    """
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        yield
        return
    try:
        owner = state_folder().stat()
    except OSError as error:
        raise output_error(state_folder(), error) from error
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(user)
        os.setegid(group)


def prune(journal: Journal) -> None:
    """Remove the files, and the engines, of models that can't serve again."""
    wanted = {each.sha256 for each in (*journal.before, *([journal.deployed] if journal.deployed else []))}
    for path in folder().glob("*.onnx"):
        if path.stem in wanted or not _SHA.fullmatch(path.stem):
            continue
        for each in (*(state_folder() / "engines").glob(f"{path.stem}.*"), path):
            with contextlib.suppress(OSError):
                each.unlink()
