"""The command line: parses, prints, and turns errors into exit codes. No logic; heavy imports happen in commands."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edge_segnet.errors import EdgeSegnetError
from edge_segnet.logs import OneLine, StandardError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a bug of ours; 2 usage or config; 3 model or engine unusable; 4 input, camera or output "
    "unusable; 5 some inputs failed, the rest is done; 6 GPU lost (a restart may help); 7 a budget or threshold was "
    "missed; 130 and 143 interrupted."
)

_BAD_ARGUMENTS: type[Exception] = typer.BadParameter.__mro__[2]
"""Click's ``ClickException``; newer typers carry a click of their own."""

app = typer.Typer(
    name="edge-segnet",
    help="Real-time SegNet segmentation: pictures, videos and cameras in; class maps, colours and statistics out.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _prepare() -> None:
    """Standard error for people, and tidy ends on signals."""
    if sys.stderr is not None:
        # A descriptor of our own: descriptor 2 is silenced while a picture is decoded (imaging.quiet_decoders).
        sys.stderr = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
    handler = StandardError()
    handler.setFormatter(OneLine("edge-segnet: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    warnings.showwarning = lambda message, *_args, **_more: logging.getLogger(__name__).warning("warning: %s", message)
    # Unwinding removes temporary files; 128 + N is what a shell reports for a signal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, lambda got, _frame: sys.exit(128 + got))


def main() -> NoReturn:
    """Entry point: runs a command; every expected error becomes one line and its exit code."""
    _prepare()
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="edge-segnet", standalone_mode=False)
    except EdgeSegnetError as error:
        code = _fail(str(error), error.exit_code)
    except _BAD_ARGUMENTS as error:
        code = _fail(_usage(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except OSError as error:
        # Files are checked where they are opened; this is standard output, full or closed.
        code = _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", 4)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> int:
    logging.getLogger(__name__).error("error: %s", message)
    return code


def _usage(error: Any) -> str:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "edge-segnet"
    return f"{error.format_message().strip().rstrip('.')}: see {path} --help"


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


Model = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", help="A shipped model's NAME, an .onnx or an .engine file.")
]
BackendName = Annotated[str, typer.Option("--backend", metavar="NAME", help="auto, onnx or tensorrt.")]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Network size; the model's own if left out.")]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON there; - is standard output.")]
"""Typer reads these at run time, so they are plain module constants."""


@app.command()
def run(
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in YAML.")] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="URI", help="csi://0, v4l2:///dev/video0, rtsp://..., http://..., a file, a folder."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="A shipped NAME, an .onnx or an .engine.")
    ] = None,
    backend: Annotated[str | None, typer.Option(metavar="NAME", help="auto, onnx or tensorrt.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Network size; auto: what meets the rates.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, for example http.port=8081."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the settings and exit.")] = False,
    refuse_synthetic: Annotated[
        bool, typer.Option("--refuse-synthetic", help="End with an error if a source is rendered.")
    ] = False,
) -> None:
    """Serve: capture, segment, publish, newest frame first; dashboard, API and metrics over HTTP.

    Without arguments: the shipped model, the rendered street, http://127.0.0.1:8080.

    SIGHUP or a changed file reloads the settings, SIGTERM ends.

        edge-segnet run --source 0

        edge-segnet run --config /etc/edge-segnet/config.yaml

        edge-segnet run --source rtsp://camera/stream --set cameras.camera.rate=10
    """
    from edge_segnet.commands import run as command

    command.run(config, source, model, backend, size, settings or [], check=check, refuse_synthetic=refuse_synthetic)


config_app = typer.Typer(help="The settings file of 'run'.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@config_app.command()
def schema() -> None:
    """Print the JSON schema of the settings file."""
    from edge_segnet.commands import run as command

    command.print_schema()


@app.command()
def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Settings; left out: /etc/edge-segnet/config.yaml if any."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1.0, max=600.0, help="Report after so long what has not answered.")
    ] = 7.0,
    json: Json = None,
) -> None:
    """Check this machine against the settings: what is here, what is wrong, what to do about it.

    GPU, TensorRT and engines, cameras, GStreamer, rights, disk, heat, ports, broker, the systemd unit. Changes nothing.

    With sudo it sees more: closed settings, other users' programs.

    Exit code 0, or the smallest that FAILs: 2 settings, 3 model, engine, GPU; 4 camera, port, broker, folder; 7 disk.

        edge-segnet doctor

        sudo edge-segnet doctor --config config.yaml --json report.json
    """
    from edge_segnet.commands import doctor as command

    command.run(config, timeout, json)


@app.command()
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
    images: Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures.")],
    labels: Annotated[Path, typer.Option(metavar="DIR", help="Folder of label PNGs of the same names.")],
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    size: Size = None,
    void: Annotated[
        int | None,
        typer.Option(metavar="ID", min=0, max=255, help="Label value to ignore; the number of classes if left out."),
    ] = None,
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
        str | None,
        typer.Option("--for", metavar="TARGET", help="onnxruntime, tensorrt, openvino or opencv; left out: canonical."),
    ] = None,
    precision: Annotated[str, typer.Option(metavar="KIND", help="fp32 or fp16.")] = "fp32",
    head: Annotated[
        str, typer.Option(metavar="KIND", help="logits, or labels (ArgMax to uint8 at the end).")
    ] = "logits",
    size: Size = None,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Describes a foreign model; makes it canonical first.")
    ] = None,
    json: Json = None,
) -> None:
    """Write the form of a model that a runtime can run: index pooling is rewritten exactly.

    edge-segnet convert in.onnx -o out.onnx --for tensorrt --precision fp16

    edge-segnet convert foreign.onnx --spec foreign.yaml -o model.onnx
    """
    from edge_segnet.commands import convert as command

    command.run(model, out, target=target, precision=precision, head=head, size=size, spec=spec, json_target=json)


@app.command(name="build-engine")
def build_engine(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shipped model's NAME, or an .onnx file.")
    ] = "segnet-lite",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="NAME.engine", help="Left out: engines/NAME.engine.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="KIND", help="fp16 or fp32.")] = "fp16",
    runtime: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="auto, tensorrt (Jetson, data centre: builds on its GPU), or tensorrt-rtx (RTX cards)."
        ),
    ] = "auto",
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(metavar="X.Y", help="For tensorrt-rtx: 8.6,8.9. Left out: this GPU's, or 8.0 on."),
    ] = None,
    size: Size = None,
    workspace_mb: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1_000_000, help="Scratch memory that a layer may take.")
    ] = None,
    optimization_level: Annotated[
        int | None, typer.Option(metavar="0-5", min=0, max=5, help="Higher builds longer; left out: TensorRT's, 3.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build even if the engine that is there fits.")] = False,
    json: Json = None,
) -> None:
    """Build a TensorRT engine, with the decode kernel, golden labels and a manifest beside it.

    Nothing is rebuilt that still fits; a stale engine says why. Killed or failed, it leaves the old engine whole.

        edge-segnet build-engine segnet-lite

        edge-segnet build-engine mine.onnx --runtime tensorrt-rtx --compute-capability 8.6,8.9
    """
    from edge_segnet.commands import build_engine as command

    command.run(
        model,
        out,
        precision=precision,
        runtime=runtime,
        capabilities=compute_capability or [],
        size=size,
        workspace_mb=workspace_mb,
        optimization_level=optimization_level,
        force=force,
        json_target=json,
    )


@app.command()
def train(
    images: Annotated[Path, typer.Option(metavar="DIR", help="Training pictures.")],
    labels: Annotated[Path, typer.Option(metavar="DIR", help="Their label PNGs.")],
    val_images: Annotated[Path, typer.Option(metavar="DIR", help="Validation pictures.")],
    val_labels: Annotated[Path, typer.Option(metavar="DIR", help="Their label PNGs.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The model file to write.")],
    arch: Annotated[str, typer.Option(metavar="NAME", help="segnet, segnet-basic or segnet-lite.")] = "segnet-lite",
    classes: Annotated[
        str, typer.Option(metavar="MAP", help="Class map: a name, a YAML file or a 256x1 palette PNG.")
    ] = "camvid-11",
    void: Annotated[
        int | None,
        typer.Option(metavar="ID", min=0, max=255, help="Label value to ignore; the number of classes if left out."),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Network size.")] = "480x360",
    crop: Annotated[
        str | None, typer.Option(metavar="WxH", help="What one sample shows; about 90 % of --size.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", min=0.0, help="Passes over the training pictures.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.0, help="Training time instead of epochs.")
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", min=2, help="Samples per step.")] = 6,
    rate: Annotated[float, typer.Option(metavar="R", min=0.0, help="Peak learning rate of the decoder.")] = 2.5e-3,
    encoder_rate: Annotated[
        float, typer.Option(metavar="X", min=0.0, help="The encoder's rate, relative to the decoder's.")
    ] = 0.2,
    init: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Start from this model file or shipped model.")
    ] = None,
    encoder_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ImageNet weights for the encoder.")
    ] = None,
    synthetic: Annotated[
        float, typer.Option(metavar="X", min=0.0, max=1.0, help="Share of rendered street samples.")
    ] = 0.0,
    validations: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often the validation pairs are scored.")
    ] = 25,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Makes a run repeatable.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the data's licence asks of the model's users.")
    ] = "",
    json: Json = None,
) -> None:
    """Train a model (extra 'train'). A killed run goes on from OUT.ckpt when the same command is given again."""
    from edge_segnet.commands import train as command

    command.run(
        **{name: value for name, value in locals().items() if name not in ("command", "json")}, json_target=json
    )


@app.command()
def bench(
    model: Model = "segnet-lite",
    backend: BackendName = "auto",
    source: Annotated[
        str, typer.Option(metavar="URI", help="Files and the synthetic street are replayed from memory, cameras live.")
    ] = "synthetic://drive",
    size: Size = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.01, max=86400, help="Measured time per phase.")] = 10.0,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Then measure once more, at this many frames per second.")
    ] = None,
    warmup: Annotated[float, typer.Option(metavar="S", min=0, max=3600, help="Unmeasured time before.")] = 1.0,
    threads: Annotated[int, typer.Option(metavar="N", min=0, help="CPU threads; 0: one per core.")] = 0,
    json: Json = None,
    budget: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Exit with 7 if a bound in there is broken.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A.json B.json", help="Say what changed, instead of measuring.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw latency over time.")] = None,
) -> None:
    """Measure a model here: frames per second, every stage, frame age, overhead, cold start, memory, power, agreement.

    edge-segnet bench --seconds 30 --rate 15 --json bench.json --plot bench.png

    edge-segnet bench --compare old.json new.json
    """
    from edge_segnet.commands import bench as command

    settings = command.Settings(model, backend, source, size, seconds, rate, warmup, threads)
    command.run(settings, json_target=json, budget=budget, reports=compare, picture=plot)
