"""``edge-segnet dataset init``."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_segnet.cli.common import progress_bar, read_classes
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.data import dataset

logger = logging.getLogger(__name__)


def run_init(folder: Path, *, classes: str, rendered: int, size: str) -> None:
    """Make the folders and say what comes next; errors as ``dataset.init``."""
    class_map = read_classes(classes)
    if rendered and class_map.names != CAMVID_11.names:
        raise UsageError(
            f"--rendered has labels of camvid-11 only, not of {class_map.name}", hint="leave one of them out"
        )
    with progress_bar("render", rendered + rendered // dataset.VAL_SHARE or None) as advance:
        count = dataset.init(folder, class_map, rendered=rendered, size=parse_size(size), advance=advance)
    logger.info("%s: train and val, each with images and labels; %s", folder, dataset.CLASSES_FILE)
    if count:
        logger.info("%d rendered pictures with labels are in it", count)
    logger.info("next: edge-segnet labels lint %s", folder)
