"""The command line: parses, prints, and turns errors into exit codes. No logic; heavy imports happen in commands."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edge_segnet.errors import EdgeSegnetError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a bug of ours; 2 usage or config; 3 model or engine unusable; 4 input, camera or output "
    "unusable; 5 some inputs failed, the rest is done; 6 GPU lost (a restart may help); 7 a budget or threshold was "
    "missed; 130 and 143 interrupted."
)

app = typer.Typer(
    name="edge-segnet",
    help="Real-time SegNet segmentation: pictures, videos and cameras in; class maps, colours and statistics out.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> NoReturn:
    """Entry point: runs a command; every expected error becomes one line and its exit code."""
    logging.basicConfig(format="edge-segnet: %(message)s", level=logging.INFO, stream=sys.stderr)
    # Unwinding on SIGTERM removes temporary files; 143 is what a shell reports for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except EdgeSegnetError as error:
        print(f"edge-segnet: error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; stdout must not complain again at exit.
        sys.stdout = None
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edge-segnet {version('edge-segnet')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


Model = Annotated[str, typer.Option("--model", "-m", help="A shipped model's NAME, or an .onnx file.")]
BackendName = Annotated[str, typer.Option("--backend", help="auto, onnx or tensorrt.")]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Network size; the model's own if left out.")]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON there; - is standard output.")]
"""Typer reads these at run time, so they are plain module constants."""


@app.command()
def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Pictures, folders, globs, videos, a camera index, synthetic://drive."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A file for one input, else a folder.")],
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    visualize: Annotated[str, typer.Option(help="overlay, mask or labels (raw ids, loss-free).")] = "overlay",
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the colours in an overlay.")] = 0.5,
    size: Size = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames of each input.")] = None,
    colours: Annotated[Path | None, typer.Option(help="A 256x1 palette PNG such as camvid12.png.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Print label, class, colour, pixels and share.")] = False,
    legend: Annotated[bool, typer.Option("--legend", help="Draw a legend with shares beside the picture.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: one per core.")] = 0,
    json: Json = None,
) -> None:
    """Segment pictures, videos or a camera into pictures and videos.

    Pictures become pictures, folders folders, videos and cameras videos. With --json every frame is a line, and the
    last line is a summary.

        edge-segnet segment photo.jpg -o overlay.jpg --counts

        edge-segnet segment drive.mp4 -o coloured.mp4 --visualize mask --json stats.jsonl
    """
    from edge_segnet.commands import segment as command

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


@app.command()
def evaluate(
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    labels: Annotated[Path, typer.Option(help="Folder of label PNGs of the same names.")],
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    size: Size = None,
    void: Annotated[int | None, typer.Option(help="Label value to ignore; the model's void (11 in CamVid-11).")] = None,
    json: Json = None,
) -> None:
    """Score a model on labelled pictures: global and class accuracy, mean and per-class IoU, confusion matrix."""
    from edge_segnet.commands import evaluate as command

    command.run(images, labels, model=model, backend=backend, size=size, void=void, json_target=json)


@app.command()
def convert(
    model: Annotated[Path, typer.Argument(metavar="IN.onnx")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx")],
    target: Annotated[
        str | None, typer.Option("--for", help="onnxruntime, tensorrt, openvino or opencv; left out: canonical.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 or fp16.")] = "fp32",
    head: Annotated[str, typer.Option(help="logits, or labels (ArgMax to uint8 at the end).")] = "logits",
    size: Size = None,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Describes a foreign model; makes it canonical first.")
    ] = None,
    json: Json = None,
) -> None:
    """Write the form of a model that a runtime can run: index pooling is rewritten exactly.

    edge-segnet convert segnet.onnx -o segnet.trt.onnx --for tensorrt --precision fp16

    edge-segnet convert foreign.onnx --spec foreign.yaml -o model.onnx
    """
    from edge_segnet.commands import convert as command

    command.run(model, out, target=target, precision=precision, head=head, size=size, spec=spec, json_target=json)


@app.command()
def train(
    images: Annotated[Path, typer.Option(help="Folder of training pictures.")],
    labels: Annotated[Path, typer.Option(help="Folder of their label PNGs.")],
    val_images: Annotated[Path, typer.Option(help="Folder of validation pictures.")],
    val_labels: Annotated[Path, typer.Option(help="Folder of their label PNGs.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx")],
    arch: Annotated[str, typer.Option(help="segnet, segnet-basic or segnet-lite.")] = "segnet-lite",
    classes: Annotated[str, typer.Option(help="Class map: a name, a YAML file or a 256x1 palette PNG.")] = "camvid-11",
    void: Annotated[int | None, typer.Option(help="Label value to ignore; the number of classes if left out.")] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Network size.")] = "480x360",
    crop: Annotated[
        str | None, typer.Option(metavar="WxH", help="What one sample shows; about 90 % of --size.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(min=0.0, help="Passes over the training pictures.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, help="Training time instead of epochs.")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Samples per step.")] = 6,
    rate: Annotated[float, typer.Option(min=0.0, help="Peak learning rate of the decoder.")] = 2.5e-3,
    encoder_rate: Annotated[float, typer.Option(min=0.0, help="The encoder's rate, relative to the decoder's.")] = 0.2,
    init: Annotated[str | None, typer.Option(help="Start from this model file or shipped model.")] = None,
    encoder_weights: Annotated[Path | None, typer.Option(help="ImageNet weights for the encoder.")] = None,
    synthetic: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of rendered street samples.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    licence: Annotated[str, typer.Option(help="What the data's licence asks of the model's users.")] = "",
    json: Json = None,
) -> None:
    """Train a model (extra 'train'). A killed run goes on from OUT.ckpt when the same command is given again."""
    from edge_segnet.commands import train as command

    command.run(
        **{name: value for name, value in locals().items() if name not in ("command", "json")}, json_target=json
    )


if __name__ == "__main__":
    main()
