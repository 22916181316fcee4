"""The command line's page for what users bring along: Caffe models, labels, data sets. No logic, as in ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.options import Json

labels = typer.Typer(name="labels", invoke_without_command=True)
dataset = typer.Typer(name="dataset", invoke_without_command=True)


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
    from edge_segnet.cli import import_caffe as command

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


Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="A data set (train/images, train/labels, ...; or train, trainannot), or label images."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(metavar="MAP", help="A name, a YAML file or a palette PNG; else DIR/classes.yaml."),
]
Void = Annotated[
    int | None,
    typer.Option(metavar="ID", min=0, max=255, help="Label value of void; the number of classes if left out."),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="Folder to write, with the same folders inside.")]


@labels.command()
def inspect(
    folder: Folder,
    classes: Classes = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", "-o", metavar="SHEET.png", help="Write a contact sheet with a legend.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Print a line per label image, too.")] = False,
    json: Json = None,
) -> None:
    """Which values occur, how often, as which class; sizes and forms; a picture in which black labels are seen."""
    from edge_segnet.cli import labels as command

    command.run_inspect(folder, classes=classes, sheet=sheet, each=each, json_target=json)


@labels.command()
def lint(
    folder: Folder,
    classes: Classes = None,
    void: Void = None,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="Exit 0 if there are only warnings.")
    ] = False,
    json: Json = None,
) -> None:
    """Find what is wrong with a data set before a network learns it.

    Missing partners, sizes, values that are no class, void that is a class, ids off by one, damage by JPEG or
    smooth resizing, classes never seen, pictures in two parts; and the class weights.

    Exit code: 4 if there are errors, 7 if there are warnings, else 0.
    """
    from edge_segnet.cli import labels as command

    code = command.run_lint(folder, classes=classes, void=void, allow_warnings=allow_warnings, json_target=json)
    raise typer.Exit(code)


@labels.command()
def colourise(
    folder: Folder,
    out: Out,
    classes: Classes = None,
    void: Void = None,
    palette: Annotated[
        bool, typer.Option("--palette", help="Palette PNGs: the ids stay in the pixels, viewers show the colours.")
    ] = False,
    json: Json = None,
) -> None:
    """Label images in their classes' colours."""
    from edge_segnet.cli import labels as command

    command.run_convert(
        folder,
        out,
        classes=classes,
        to=None,
        void=void,
        to_void=void if palette else None,
        merge=[],
        drop=[],
        form="palette" if palette else "colours",
        read="auto",
        json_target=json,
    )


@labels.command()
def convert(
    folder: Folder,
    out: Out,
    classes: Classes = None,
    to: Annotated[str | None, typer.Option(metavar="MAP", help="Another class map; classes go by name.")] = None,
    merge: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="This class becomes that one; may be repeated.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This class becomes void.")] = None,
    void: Void = None,
    to_void: Annotated[
        int | None, typer.Option(metavar="ID", min=0, max=255, help="Void in the result; its number of classes.")
    ] = None,
    form: Annotated[str, typer.Option(metavar="FORM", help="ids, palette or colours.")] = "ids",
    read: Annotated[
        str, typer.Option(metavar="WHAT", help="auto; ids or colours of a palette PNG whose order is another.")
    ] = "auto",
    json: Json = None,
) -> None:
    """Another form (ids, palette PNG, RGB colours) or another class map, loss-free.

    edge-segnet labels convert masks -o ids --classes camvid-11

    edge-segnet labels convert truth12 -o truth11 --classes camvid-12 --to camvid-11 --merge Road_marking=Road
    """
    from edge_segnet.cli import labels as command

    command.run_convert(
        folder,
        out,
        classes=classes,
        to=to,
        void=void,
        to_void=to_void,
        merge=merge or [],
        drop=drop or [],
        form=form,
        read=read,
        json_target=json,
    )


@dataset.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or is empty.")],
    classes: Annotated[
        str, typer.Option(metavar="MAP", help="Class map to start from: a name, a YAML file or a palette PNG.")
    ] = "camvid-11",
    rendered: Annotated[
        int, typer.Option(metavar="N", min=0, max=100_000, help="Put N rendered street pictures with labels into it.")
    ] = 0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the rendered pictures.")] = "480x360",
) -> None:
    """Folders for training and validation, and a class map to edit."""
    from edge_segnet.cli import dataset as command

    command.run_init(folder, classes=classes, rendered=rendered, size=size)


def _help_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@labels.callback()
def _labels(context: typer.Context) -> None:
    """Look at label images, find their faults, colour them, change their form or class map."""
    _help_alone(context)


@dataset.callback()
def _dataset(context: typer.Context) -> None:
    """Start a data set of your own."""
    _help_alone(context)
