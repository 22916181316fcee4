"""``edge-segnet labels convert``."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, json_lines, progress_bar, read_classes, renaming
from edge_segnet.cli.label_options import Classes, Folder, Out, Void, needed_classes
from edge_segnet.cli.options import Json
from edge_segnet.core.errors import EdgeSegnetError, InputError, PartialFailure, UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.data.dataset import CLASSES_FILE, classes_yaml
from edge_segnet.data.labels.recode import Form, Reading, Recoding, plan, recode
from edge_segnet.data.pairs import find_splits

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Convert:
    """Another form (ids, palette PNG, RGB colours) or another class map, loss-free.

    edge-segnet labels convert masks -o ids --classes camvid-11

    edge-segnet labels convert truth12 -o truth11 --classes camvid-12 --to camvid-11 --merge Road_marking=Road
    """

    folder: Folder
    out: Out
    classes: Classes = None
    to: Annotated[str | None, typer.Option(metavar="MAP", help="Another class map; classes go by name.")] = None
    merge: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="This class becomes that one; may be repeated.")
    ] = None
    drop: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This class becomes void.")] = None
    void: Void = None
    to_void: Annotated[
        int | None, typer.Option(metavar="ID", min=0, max=255, help="Void in the result; its number of classes.")
    ] = None
    form: Annotated[str, typer.Option(metavar="FORM", help="ids, palette or colours.")] = "ids"
    read: Annotated[
        str, typer.Option(metavar="WHAT", help="auto; ids or colours of a palette PNG whose order is another.")
    ] = "auto"
    unknown_to_void: Annotated[
        bool,
        typer.Option("--unknown-to-void", help="Colours and values that are no class become void; they are counted."),
    ] = False
    json: Json = None

    def run(self) -> None:
        """Write every label image of ``root`` in another form or class map under ``out``, in the same folders.

        Raises:
            UsageError: the class maps don't fit together, or OUT is the folder itself.
            PartialFailure: some files can't be converted; the others are.
        """
        source = needed_classes(self.folder, self.classes)
        recoding = plan(
            source,
            source if self.to is None else read_classes(self.to, flag="--to "),
            void=self.void,
            target_void=self.to_void,
            merge=dict(map(renaming, self.merge or [])),
            drop=(self.drop or []),
            form=choose("--form", self.form, Form),
            reading=choose("--read", self.read, Reading),
            unknown_is_void=self.unknown_to_void,
        )
        if self.out.resolve() == self.folder.resolve():
            raise UsageError(f"-o {self.out}: that is where the labels come from", hint="name another folder")
        files = [path for split in find_splits(self.folder) for path in split.label_files()]
        root = self.folder if self.folder.is_dir() else self.folder.parent
        failures, lost = _convert(files, root, self.out, recoding)
        write_bytes(self.out / CLASSES_FILE, classes_yaml(recoding.target).encode())
        for error in failures:
            logger.warning("skipped %s", error)
        with json_lines(self.json) as emit:
            emit(
                {
                    "output": str(self.out),
                    "written": len(files) - len(failures),
                    "failed": [str(error) for error in failures],
                    "made_void": lost,
                }
            )
        if lost:
            logger.warning("%s pixels that are no class of %s became void", f"{lost:,}", source.name)
        logger.info(
            "%d label images -> %s (%s of %s)", len(files) - len(failures), self.out, self.form, recoding.target.name
        )
        if failures:
            raise PartialFailure(f"{len(failures)} of {len(files)} label images can't be converted")


def _convert(files: list[Path], root: Path, out: Path, recoding: Recoding) -> tuple[list[EdgeSegnetError], int]:
    """What can't be converted, and how many pixels became void."""

    def one(path: Path) -> EdgeSegnetError | int:
        try:
            return recode(path, (out / path.relative_to(root)).with_suffix(".png"), recoding)
        except InputError as error:
            return error

    failures: list[EdgeSegnetError] = []
    lost = 0
    with (
        progress_bar("convert", len(files)) as advance,
        ThreadPoolExecutor(len(os.sched_getaffinity(0)), "convert") as pool,
    ):
        for result in pool.map(one, files):
            advance()
            if isinstance(result, int):
                lost += result
            else:
                failures.append(result)
    return failures, lost


app = program("convert", Convert)
