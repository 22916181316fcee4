"""``edge-segnet dataset``: start a data set of your own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.command import add, group
from edge_segnet.cli.common import json_lines, progress_bar, read_classes, renaming
from edge_segnet.cli.label_options import needed_classes
from edge_segnet.cli.options import Json
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.data import dataset
from edge_segnet.data.cvat import LABELMAP
from edge_segnet.data.labels import exchange

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Init:
    """Folders for training and validation, and a class map to edit."""

    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or is empty.")]
    classes: Annotated[
        str, typer.Option(metavar="MAP", help="Class map to start from: a name, a YAML file or a palette PNG.")
    ] = "camvid-11"
    rendered: Annotated[
        int, typer.Option(metavar="N", min=0, max=100_000, help="Put N rendered street pictures with labels into it.")
    ] = 0
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the rendered pictures.")] = "480x360"

    def run(self) -> None:
        """Make the folders and say what comes next; errors as ``dataset.init``."""
        class_map = read_classes(self.classes)
        if self.rendered and class_map.names != CAMVID_11.names:
            raise UsageError(
                f"--rendered has labels of camvid-11 only, not of {class_map.name}", hint="leave one of them out"
            )
        with progress_bar("render", self.rendered + self.rendered // dataset.VAL_SHARE or None) as advance:
            count = dataset.init(
                self.folder, class_map, rendered=self.rendered, size=parse_size(self.size), advance=advance
            )
        logger.info("%s: train and val, each with images and labels; %s", self.folder, dataset.CLASSES_FILE)
        if count:
            logger.info("%d rendered pictures with labels are in it", count)
        logger.info("next: edge-segnet labels lint %s", self.folder)


@dataclass(frozen=True)
class Export:
    """Hand labels to CVAT, to be corrected there: its format "Segmentation mask 1.1", as a zip or a folder.

    In CVAT: make a task of the pictures, with the labels of labelmap.txt, and upload the zip as annotations.
    """

    folder: Annotated[Path, typer.Argument(metavar="DATASET", help="A data set, such as pick makes.")]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="ZIP|DIR", help="What to write.")]
    pictures: Annotated[bool, typer.Option("--pictures", help="Put the pictures into it, too.")] = False

    def run(self) -> None:
        """Write it; errors as ``exchange.export``."""
        classes = needed_classes(self.folder, None)
        count = exchange.export(self.folder, classes, self.out, self.pictures)
        logger.info("%s: %d label images for CVAT, with its %s", self.out, count, LABELMAP)


@dataclass(frozen=True)
class Import:
    """Take labels back from CVAT: what it exports as "Segmentation mask 1.1" takes the place of the data set's labels
    of the same names, all or none.
    """

    exported: Annotated[Path, typer.Argument(metavar="ZIP|DIR", help="CVAT's export, as it is.")]
    folder: Annotated[Path, typer.Argument(metavar="DATASET", help="The data set that it belongs to.")]
    merge: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="CVAT's label OLD becomes class NEW; repeatable.")
    ] = None
    drop: Annotated[list[str] | None, typer.Option(metavar="NAME", help="CVAT's label NAME becomes void.")] = None
    json: Json = None

    def run(self) -> None:
        """Replace them, and say what changed; errors as ``exchange.take_back``."""
        classes = needed_classes(self.folder, None)
        merge = dict(map(renaming, self.merge or []))
        taken = exchange.take_back(self.exported, self.folder, classes, merge, self.drop or [])
        with json_lines(self.json) as emit:
            emit(taken.to_dict() | {"output": str(self.folder)})
        logger.info(
            "%s: %d label images from CVAT, %.1f %% of their pixels changed, %d left as they were",
            self.folder, len(taken.changed), 100 * taken.share, len(taken.untouched),
        )  # fmt: skip
        if taken.strangers:
            logger.warning("warning: %d that no picture here has, such as %s", len(taken.strangers), taken.strangers[0])
        logger.info("next: edge-segnet labels lint %s", self.folder)


app = group("Start a data set of your own.")
add(app, "init", Init)
add(app, "export", Export)
add(app, "import", Import)
