"""``edge-segnet dataset``: start a data set of your own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.command import add, group
from edge_segnet.cli.common import progress_bar, read_classes
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.data import dataset

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


app = group("Start a data set of your own.")
add(app, "init", Init)
