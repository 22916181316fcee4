"""``edge-segnet service model``: give the running service another model, and look how that went."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import typer

from edge_segnet.backends.model import read_onnx
from edge_segnet.cli.command import program
from edge_segnet.cli.common import check_share
from edge_segnet.core.errors import BudgetMissed, EdgeSegnetError, InputError, ModelError, UsageError
from edge_segnet.core.files import state_folder
from edge_segnet.graph.model_files import ENGINE_SUFFIX, OnnxModel
from edge_segnet.service import outcome
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Journal, Request
from edge_segnet.settings.limits import Limits

logger = logging.getLogger(__name__)
LOOK_S: Final = 0.1
GONE_S: Final = 30.0
"""A service that has ended may be started again by systemd, and then says how it ended."""
_ERRORS: Final = {each.exit_code: each for each in (UsageError, ModelError, InputError, BudgetMissed)}


@dataclass(frozen=True)
class ServiceModel:
    """Have the running service serve another model: checked, tried on live frames, taken back if it is worse.

    Half of --canary it runs beside the old model on a share of the frames, then half in its place. Exit code 7 when it
    was worse, 3 when it can't be used: the old model serves. Without MODEL: what serves, and the history.

        sudo edge-segnet service model new.onnx --canary 60s

        sudo edge-segnet service model --back
    """

    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="An .onnx file, or a shipped NAME.")] = None
    canary: Annotated[str, typer.Option(metavar="TIME", help="60s, 5m; 0: only the self-test judges.")] = "60s"
    back: Annotated[bool, typer.Option("--back", help="Have the model of before serve again, at once.")] = False
    agreement: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the pixels, how many must get the old model's class.")
    ] = Limits.agreement
    class_agreement: Annotated[
        float, typer.Option(metavar="SHARE", help="Least overlap (IoU) of both models' pixels of a class.")
    ] = Limits.class_agreement
    slower: Annotated[
        float, typer.Option(metavar="FACTOR", min=1.0, max=100.0, help="So much rarer, and older, results may be.")
    ] = Limits.slower
    json: Annotated[bool, typer.Option("--json", help="What serves and the history, as JSON.")] = False

    def run(self) -> None:
        """Ask the service, and wait.

        Raises:
            UsageError: there is no service, or it is at another deployment.
            ModelError: the model can't be used; BudgetMissed: it is worse, or something came between.
            OutputError: the state folder can't be written.
        """
        if self.back and self.model is not None:
            raise UsageError("--back takes no model", hint="leave one of the two out")
        if self.model is None and not self.back:
            _show(deployed.read(), as_json=self.json)
            return
        for flag, share in (("--agreement", self.agreement), ("--class-agreement", self.class_agreement)):
            check_share(flag, share)
        if not self.slower >= 1.0:
            raise UsageError(f"--slower {self.slower}: not a factor", hint="give 1 or more")
        service = _service()
        journal = deployed.read()
        if journal.under_way is not None or deployed.asked() is not None:
            name = "another model" if journal.under_way is None else journal.under_way.name
            raise UsageError(f"{name} is being deployed", hint="wait for its end: edge-segnet service model")
        request = self._back(journal) if self.back else self._forth()
        deployed.ask(request)
        try:
            _answer(_wait(request, service))
        finally:
            if (waiting := deployed.asked()) is not None and waiting.id == request.id:
                deployed.withdraw()

    def _back(self, journal: Journal) -> Request:
        if not journal.before:
            raise UsageError("no model served before this one", hint="deploy one: edge-segnet service model FILE.onnx")
        last = journal.before[-1]
        return Request(last.sha256, last.name, canary_s=0.0, back=True)

    def _forth(self) -> Request:
        limits, canary_s = Limits(self.agreement, self.class_agreement, self.slower), parse_time(self.canary)
        if str(self.model).endswith(ENGINE_SUFFIX):
            raise UsageError(f"{self.model}: an engine", hint="give the .onnx file; the service builds its own engine")
        model = read_onnx(str(self.model))
        data, sha256 = _whole(model)
        deployed.keep(data, sha256)
        return Request(sha256, model.card.name, canary_s, limits)


def parse_time(text: str) -> float:
    """``60s``, ``5m``, ``1h`` or a number of seconds -> seconds; raises UsageError."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)(s|m|h|)", text, re.ASCII)
    if match is None:
        raise UsageError(f"--canary {text}: not a time", hint="give for example 60s or 5m")
    return float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]]


def _whole(model: OnnxModel) -> tuple[bytes, str]:
    """The file as it is and its SHA-256; with the weights in it where they lay beside it."""
    assert model.path is not None
    data = model.path.read_bytes()
    if (sha256 := hashlib.sha256(data).hexdigest()) == model.sha256:
        return data, sha256
    data = model.proto.SerializeToString()
    return data, hashlib.sha256(data).hexdigest()


def _service() -> outcome.Outcome:
    found = outcome.read()
    if found is None or not found.lives:
        raise UsageError(
            f"no service keeps its state in {state_folder()}",
            hint="start it, or name its folder: STATE_DIRECTORY=... edge-segnet service model",
        )
    return found


def _wait(request: Request, service: outcome.Outcome) -> Attempt:
    """How it ended; raises UsageError: the service has gone, and does not come again."""
    said, gone_s = "", time.monotonic()
    while True:
        journal = deployed.read()
        for attempt in journal.attempts:
            if attempt.id == request.id:
                return attempt
        now = journal.under_way
        if now is not None and (words := f"{now.name}: {now.stage}: {now.message}") != said:
            said = words
            logger.info("%s", words)
        if service.lives:
            gone_s = time.monotonic()
        elif time.monotonic() - gone_s > GONE_S:
            raise UsageError("the service has ended; the old model serves when it runs again", hint="look into its log")
        else:
            service = outcome.read() or service
        time.sleep(LOOK_S)


def _answer(ended: Attempt) -> None:
    if ended.stage == "serving":
        logger.info("%s", ended.message)
        return
    kind: type[EdgeSegnetError] = _ERRORS.get(ended.code, EdgeSegnetError)
    raise kind(f"{ended.name} was {ended.stage}: {ended.message}")


def _show(journal: Journal, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"schema": 1, **asdict(journal)}))
        return
    serves = journal.deployed
    typer.echo("the settings' own model serves" if serves is None else f"{serves.name} serves ({serves.sha256})")
    for served in reversed(journal.before):
        whose = "the settings' own" if served.own else served.sha256
        typer.echo(f"  before: {served.name} ({whose})")
    attempts = [*journal.attempts, *([journal.under_way] if journal.under_way else [])]
    for each in attempts:
        typer.echo(f"{each.at}  {each.name} ({each.sha256[:12]})  {each.stage}: {each.message}")


app = program("model", ServiceModel)
