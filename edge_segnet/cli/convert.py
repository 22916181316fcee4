"""``edge-segnet convert``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

from edge_segnet.cli.common import choose, json_lines, read_classes
from edge_segnet.core.errors import UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.core.size import parse_size
from edge_segnet.graph import card as cards
from edge_segnet.graph.foreign import canonicalise, load_spec
from edge_segnet.graph.head import Head
from edge_segnet.graph.load import read_file
from edge_segnet.graph.lower import Precision, Target, lower
from edge_segnet.graph.resize import resize
from edge_segnet.graph.view import View

logger = logging.getLogger(__name__)


def run(
    source: Path,
    out: Path,
    *,
    target: str | None,
    precision: str,
    head: str,
    size: str | None,
    spec: Path | None,
    json_target: str | None,
) -> None:
    """Make a foreign model canonical (``spec``), lower it for a runtime (``target``), or both.

    Raises:
        ModelError: the model can't be read or rewritten.
        UsageError: nothing was asked for, or a flag has an unknown value.
    """
    _check(target, precision, head, size, spec)
    wanted = parse_size(size) if size else None
    model = read_file(cards.find_model(str(source))).proto
    report: list[str] = []
    if spec is not None:
        description = load_spec(spec)
        classes = read_classes(description.classes, spec.parent, f"{spec}: classes: ")
        canonical = canonicalise(model, description, class_count=len(classes))
        model = cards.attach(canonical, name=out.stem, classes=classes).proto
        report.append(f"made canonical: frame uint8 BGR -> logits, {len(classes)} classes of {classes.name}")
    if target is not None:
        lowered = lower(
            model, cast(Target, target), precision=cast(Precision, precision), head=cast(Head, head), size=wanted
        )
        model = lowered.model
        report.extend(lowered.report)
    elif wanted is not None:
        model = resize(View(model), wanted).model
        report.append(f"network size is now {size}")
    write_bytes(out, model.SerializeToString())
    with json_lines(json_target) as emit:
        emit({"output": str(out), "target": target, "precision": precision, "head": head, "report": report})
    for line in [*report, f"{source} -> {out}"]:
        logger.info("%s", line)


def _check(target: str | None, precision: str, head: str, size: str | None, spec: Path | None) -> None:
    """Raises UsageError for what can't be meant."""
    if target is None and spec is None and size is None:
        raise UsageError("convert: nothing to do", hint="give --for TARGET, --spec FILE.yaml or --size WxH")
    choose("--precision", precision, Precision)
    choose("--head", head, Head)
    if target is not None:
        choose("--for", target, Target)
    elif (precision, head) != ("fp32", "logits"):
        raise UsageError("--precision and --head need --for TARGET", hint="canonical models are fp32 with logits")
