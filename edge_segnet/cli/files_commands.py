"""The command line's page for pictures and videos: segment, evaluate. No logic, as in ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.options import BackendName, Json, Model, Size


def register(app: typer.Typer) -> None:
    """Add this page's commands to the program."""
    app.command()(segment)
    app.command()(evaluate)


def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Pictures, folders, globs, videos, a camera's number, synthetic://drive."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="A file for one input, else a folder; without: numbers only."),
    ] = None,
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    visualize: Annotated[
        str, typer.Option(metavar="KIND", help="overlay, mask, or labels (raw ids, loss-free).")
    ] = "overlay",
    alpha: Annotated[float, typer.Option(metavar="A", help="Share of the colours in an overlay, 0 to 1.")] = 0.5,
    size: Size = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after this many frames of each input.")
    ] = None,
    colours: Annotated[Path | None, typer.Option(metavar="PNG", help="A 256x1 palette such as camvid12.png.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Print label, class, colour, pixels and share.")] = False,
    legend: Annotated[bool, typer.Option("--legend", help="Draw a legend with shares beside the picture.")] = False,
    threads: Annotated[int, typer.Option(metavar="N", min=0, help="CPU threads; 0: one per core.")] = 0,
    json: Json = None,
) -> None:
    """Segment pictures, videos or a camera into pictures and videos.

    Pictures become pictures, folders folders, videos and cameras videos.

    With --json every frame is one line of JSON, and the last line is a summary.

        edge-segnet segment photo.jpg -o overlay.jpg --counts --legend

        edge-segnet segment frames/ -o labels/ --visualize labels

        edge-segnet segment drive.mp4 -o coloured.mp4 --json stats.jsonl
    """
    from edge_segnet.cli import segment as command

    command.run(
        inputs,
        out,
        model=model,
        backend=backend,
        size=size,
        visual=visualize,
        alpha=alpha,
        legend=legend,
        frames=frames,
        colours=colours,
        counts=counts,
        threads=threads,
        json_target=json,
    )


def evaluate(
    images: Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures.")],
    labels: Annotated[Path, typer.Option(metavar="DIR", help="Folder of label PNGs of the same names.")],
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    size: Size = None,
    void: Annotated[
        int | None,
        typer.Option(metavar="ID", min=0, max=255, help="Label value to ignore; the number of classes if left out."),
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw risk over coverage and the calibration there.")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="Write the model there, calibrated with pictures it has not learnt from."),
    ] = None,
    json: Json = None,
) -> None:
    """Score a model on labelled pictures: global and class accuracy, mean and per-class IoU, confusion matrix; and how
    far its sureness can be trusted: calibration error, AUROC of wrong pixels by margin.
    """
    from edge_segnet.cli import evaluate as command

    command.run(
        images,
        labels,
        model=model,
        backend=backend,
        size=size,
        void=void,
        curve=curve,
        calibrated=calibrate,
        json_target=json,
    )
