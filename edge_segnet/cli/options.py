"""Options that several commands have. Typer reads these at run time, so they are plain module constants."""

from __future__ import annotations

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
