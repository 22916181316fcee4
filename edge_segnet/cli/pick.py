"""``edge-segnet pick``."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.backends.features import FeatureNetwork
from edge_segnet.backends.model import BackendKind, open_model, read_model
from edge_segnet.cli.command import program
from edge_segnet.cli.common import check_share, choose, json_lines, progress_bar
from edge_segnet.cli.options import BackendName, Json, Model, Size
from edge_segnet.core.classes import ClassMap, ids_in
from edge_segnet.core.errors import InputError, PartialFailure, UsageError
from edge_segnet.core.selection import NEAR
from edge_segnet.core.size import parse_optional
from edge_segnet.graph.model_files import LoweredModel, OnnxModel
from edge_segnet.offline import labelled, pick, picked
from edge_segnet.sources import describe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PickFrames:
    """Choose the frames that are worth a person's time, as a data set with the model's labels in it.

    The best by --by, without what looks like one that was taken, as different as the encoder finds them, spread over
    drives. Next: look at sheet.png, correct the labels (edge-segnet dataset export), train.
    """

    inputs: Annotated[
        list[str],
        typer.Argument(metavar="LABELLED...", help="What label wrote; recordings, videos, folders, pictures."),
    ]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DATASET", help="A folder that is not there yet.")]
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", min=1, help="So many frames.")] = 200
    by: Annotated[str, typer.Option(metavar="WHAT", help="uncertainty, unfamiliarity, disagreement or rarity.")] = (
        "uncertainty"
    )
    against: Annotated[str | None, typer.Option(metavar="MODEL", help="The other model of --by disagreement.")] = None
    model: Model = "segnet-lite"
    backend: BackendName = "auto"
    size: Size = None
    every: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="Look at one frame in so many seconds of a film.")
    ] = 0.5
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Look at so many frames of each input at most.")
    ] = None
    near: Annotated[
        float, typer.Option(metavar="X", help="Likeness (correlation) from which on two frames are one.")
    ] = NEAR
    val: Annotated[float, typer.Option(metavar="X", help="Share of the frames for val, in whole drives.")] = 0.0
    json: Json = None

    def run(self) -> None:
        """Pick and write; errors as ``offline.pick.scan`` and ``offline.picked.write``.

        Raises:
            InputError: not one frame could be had.
            PartialFailure: some inputs failed; what the others have is picked.
        """
        wish = pick.Wish(choose("--by", self.by, pick.By), self.count, self.every, self.limit, self.near)
        check_share("--val", self.val)
        check_share("--near", self.near)
        if self.against is not None and wish.by != "disagreement":
            raise UsageError("--against belongs to --by disagreement", hint="leave it out, or give both")
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UsageError(f"-o {self.out}: there is something already", hint="name a new folder")
        model = read_model(self.model, parse_optional(self.size))
        if not isinstance(model, (OnnxModel, LoweredModel)):
            raise UsageError(f"-m {self.model}: an engine has no features to tell", hint="give the .onnx of it")
        network = FeatureNetwork(model)
        inputs = self._looks(wish, model.sha256)
        with ExitStack() as opened:
            rival = self._rival(network.card.classes, opened)
            with progress_bar("look", None) as advance:
                pool = pick.scan(inputs, network, wish, rival, advance)
        chosen = pick.choose(pool, wish)
        if not chosen:
            raise InputError("no frame to pick from", hint=pool.failed[0] if pool.failed else "are the inputs empty?")
        made = picked.Pick(network.card, model.sha256, inputs, wish, pool, chosen, self.val)
        when = pick.stamp()
        with progress_bar("write", len(chosen)) as advance:
            picked.write(made, pick.read_again(inputs, network, wish, pool, chosen), self.out, when, advance)
        self._report(made, when)

    def _looks(self, wish: pick.Wish, sha256: str) -> list[pick.Look]:
        looks: list[pick.Look] = []
        for uri in self.inputs:
            if not labelled.is_labelled(Path(uri)):
                looks.append(pick.Look(describe(uri)))
                continue
            rows = labelled.read_rows(Path(uri), wish)
            looks += rows.looks
            again = sum(len(look.seqs or ()) for look in rows.looks)
            logger.info("%s: %d of %d labelled frames are looked at again", uri, again, rows.total)
            if rows.models - {sha256}:
                logger.warning("warning: %s: another model than %s labelled it (--model)", uri, self.model)
        return looks

    def _rival(self, classes: ClassMap, opened: ExitStack) -> pick.Rival | None:
        if self.against is None:
            return None
        other = open_model(self.against, None, choose("--backend", self.backend, BackendKind))
        opened.callback(other.backend.close)
        return pick.Rival(other.backend, other.card.fit, ids_in(classes, other.card.classes, "--against"))

    def _report(self, made: picked.Pick, when: str) -> None:
        document = made.to_dict(when) | {"output": str(self.out)}
        with json_lines(self.json) as emit:
            emit(document)
        frames = document["frames"]
        drives = len({(frame["robot"], frame["drive"]) for frame in frames})
        logger.info(
            "%s: %d of %d frames, by %s, from %d drives; their pictures: %s",
            self.out, len(frames), document["looked_at"], self.by, drives, self.out / picked.SHEET_FILE,
        )  # fmt: skip
        if len(frames) < self.count:
            logger.warning("warning: %d were asked for; the rest looks like one of these (--near)", self.count)
        if made.pool.bad:
            logger.warning("warning: %d frames could not be used", made.pool.bad)
        if made.pool.failed:
            raise PartialFailure(
                f"{len(made.pool.failed)} of {len(made.inputs)} inputs failed; {self.out} has the rest"
            )


app = program("pick", PickFrames)
