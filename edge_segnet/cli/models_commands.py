"""The command line's page for models: train, convert, build-engine, bench. No logic, as in ``cli``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.cli.options import BackendName, Json, Model, Size


def register(app: typer.Typer) -> None:
    """Add this page's commands to the program."""
    app.command()(convert)
    app.command("build-engine")(build_engine)
    app.command()(bench)
    app.command()(train)


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
    from edge_segnet.cli import convert as command

    command.run(model, out, target=target, precision=precision, head=head, size=size, spec=spec, json_target=json)


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
    from edge_segnet.cli import build_engine as command

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
    from edge_segnet.cli import bench as command

    settings = command.Settings(model, backend, source, size, seconds, rate, warmup, threads)
    command.run(settings, json_target=json, budget=budget, reports=compare, picture=plot)


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
    from edge_segnet.cli import train as command

    command.run(
        **{name: value for name, value in locals().items() if name not in ("command", "json")}, json_target=json
    )
