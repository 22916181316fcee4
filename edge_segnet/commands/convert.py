"""``edge-segnet convert``."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_segnet.commands.common import choose, json_lines, parse_size, read_classes
from edge_segnet.errors import UsageError
from edge_segnet.files import write_bytes
from edge_segnet.graph import bundle as bundles
from edge_segnet.graph.foreign import canonicalise, load_spec
from edge_segnet.graph.load import load_model
from edge_segnet.graph.lower import Head, Precision, Target, lower
from edge_segnet.graph.resize import resize


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
    if target is None and spec is None and size is None:
        raise UsageError("convert: nothing to do", hint="give --for TARGET, --spec FILE.yaml or --size WxH")
    choose("--precision", precision, Precision)
    choose("--head", head, Head)
    model = load_model(bundles.find_model(str(source)))
    report: list[str] = []
    if spec is not None:
        description = load_spec(spec)
        canonical = canonicalise(model, description)
        classes = read_classes(description.classes)
        model = bundles.attach(canonical, name=out.stem, classes=classes).model
        report.append(f"made canonical: frame uint8 BGR -> logits, {len(classes)} classes of {classes.name}")
    if target is not None:
        wanted = parse_size(size) if size else None
        lowered = lower(model, choose("--for", target, Target), precision=precision, head=head, size=wanted)  # type: ignore[arg-type]
        model = lowered.model
        report.extend(lowered.report)
    elif size is not None:
        model = resize(model, parse_size(size))
        report.append(f"network size is now {size}")
    write_bytes(out, model.SerializeToString())
    with json_lines(json_target) as emit:
        emit({"output": str(out), "target": target, "precision": precision, "head": head, "report": report})
    for line in report:
        print(line, file=sys.stderr)  # noqa: T201
