"""Options that several commands have. Typer reads these at run time, so they are plain module constants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", help="A shipped model's NAME, an .onnx or an .engine file.")
]
BackendName = Annotated[str, typer.Option("--backend", metavar="NAME", help="auto, onnx, openvino or tensorrt.")]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="KIND",
        help="On a CPU: auto (what is quick here), fp32, bf16, fp16; an INT8 model's is int8.",
    ),
]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Network size; the model's own if left out.")]
Json = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write JSON there; - is standard output.")]
Settings = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in YAML.")]
Threads = Annotated[int, typer.Option(metavar="N", min=0, help="CPU threads; 0: one per core.")]
ModelSource = Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model's NAME, or an .onnx file.")]
TruthClasses = Annotated[
    str | None, typer.Option(metavar="MAP", help="The labels' class map: a name, YAML or PNG; else the data set's own.")
]
OutModel = Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The model file to write.")]
Ignored = Annotated[
    int | None,
    typer.Option(metavar="ID", min=0, max=255, help="Label value to ignore; the number of classes if left out."),
]
Palette = Annotated[Path | None, typer.Option(metavar="PNG", help="A 256x1 palette such as camvid12.png.")]
