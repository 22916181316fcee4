"""The command line's page for what users bring along: Caffe models, labels, data sets. No logic, as in ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON there; - is standard output.")]

labels = typer.Typer(
    name="labels",
    help="Look at label images, find their faults, colour them, change their form or class map.",
    no_args_is_help=True,
)
dataset = typer.Typer(name="dataset", help="Start a data set of your own.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this page's commands to the program."""
    app.command("import-caffe")(import_caffe)
    app.add_typer(labels)
    app.add_typer(dataset)


def import_caffe(
    model: Annotated[Path, typer.Option("--model", metavar="M.prototxt", help="The network, as Caffe describes it.")],
    weights: Annotated[Path, typer.Option(metavar="W.caffemodel", help="Its weights.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The model file to write.")],
    colours: Annotated[
        Path | None, typer.Option(metavar="LUT.png", help="A 256x1 palette such as camvid12.png.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Class map: a name, a YAML file or a 256x1 palette PNG.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Network size; the prototxt's own, else 480x360.")
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the weights' licence asks of the model's users.")
    ] = "",
    json: Json = None,
) -> None:
    """Bring a SegNet or ENet of the Caffe fork along; needs no Caffe.

    edge-segnet import-caffe --model segnet.prototxt --weights segnet.caffemodel --classes camvid-12 -o segnet.onnx
    """
    from edge_segnet.commands import import_caffe as command

    command.run(
        model,
        weights,
        out,
        colours=colours,
        classes=classes,
        size=size,
        licence=licence,
        json_target=json,
    )
