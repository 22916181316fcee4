"""Frames per second: the network alone, the whole pipeline around it, the renderer; and memory over a long video."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import cv2

from benchmarks.figure import Figure
from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.types import Backend, Generation, Image, Result, View
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.offline.segment import segment
from edge_segnet.pictures.overlay import RenderStyle
from edge_segnet.pictures.video import video_file
from edge_segnet.sources import describe, open_source
from edge_segnet.street import Street

CLIP_FRAMES = 100
ROUNDS = 3
LONG_FRAMES = 2200
SETTLED = 200
"""Frames after which caches and arenas have their size."""

DRAWN = RenderStyle(size="source")


def street(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """The renderer of synthetic://drive, by processor time, so that a busy machine does not count against it."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    scene = Street()
    scene.render(0)
    started = time.process_time()
    for index in range(1, 201):
        scene.render(3 * index)
    seconds = time.process_time() - started
    cv2.setNumThreads(threads)
    return [Figure("synthetic://drive, one core, 480x360", 200 / seconds, "frames/s", 60.0, ">=")]


def run(model: str, folder: Path) -> list[Figure]:
    """``segment`` on a video against a bare ``session.run`` loop on the same graph, in turns."""
    clip = _render_clip(folder / "clip.mp4", CLIP_FRAMES)
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(_bare_fps(model))
        whole.append(_pipeline_fps(model, clip, folder / "out.mp4"))
    return [
        Figure("bare ONNX Runtime, 480x360", median(bare), "frames/s", 15.0, ">="),
        Figure("segment, video to video, 480x360", median(whole), "frames/s"),
        Figure("segment / bare", median(w / b for w, b in zip(whole, bare, strict=True)), "x", 0.9, ">="),
    ]


def _render_clip(path: Path, frames: int) -> Path:
    scene = Street()
    with video_file(path, 30.0) as writer:
        for index in range(frames):
            writer.write(index, scene.render(index)[0])
    return path


def _bare_fps(model: str) -> float:
    loaded = cards.load(model)
    graph = lower(loaded.proto, "onnxruntime", head="labels").model.SerializeToString()
    session = make_session(graph, CpuOptions(spinning=True))
    scene = Street(loaded.card.size)
    frames: list[Image] = [scene.render(index)[0][None] for index in range(10)]
    session.run(None, {"frame": frames[0]})
    started = time.perf_counter()
    for index in range(CLIP_FRAMES):
        session.run(None, {"frame": frames[index % len(frames)]})
    return CLIP_FRAMES / (time.perf_counter() - started)


def generation_of(card: ModelCard, backend: Backend) -> Generation:
    """What ``segment`` works with."""
    return Generation(backend, card.name, View(card.classes, card.fit))


def _pipeline_fps(model: str, clip: Path, out: Path) -> float:
    loaded = cards.load(model)
    backend = open_backend(loaded, "onnx", BackendOptions(spinning=True))
    source = open_source(describe(str(clip)), backend.input_size)
    summary = segment(
        source,
        generation_of(loaded.card, backend),
        video_file(out, 30.0),
        RenderStyle(size="source"),
        lambda _result: None,
    )
    backend.close()
    return summary.fps


def memory(model: str, folder: Path) -> list[Figure]:
    """Growth of the resident set over 2,000 frames of a video, once the first 200 are through."""
    clip = _render_clip(folder / "long.mp4", LONG_FRAMES)
    loaded = cards.load(model)
    backend = open_backend(loaded, "onnx", BackendOptions(spinning=True))
    source = open_source(describe(str(clip)), backend.input_size)
    resident: list[float] = []

    def note(_result: Result) -> None:
        resident.append(_resident_mb())

    segment(
        source,
        generation_of(loaded.card, backend),
        video_file(folder / "long-out.mp4", 30.0),
        RenderStyle(size="source"),
        note,
    )
    backend.close()
    settled = resident[SETTLED:]
    growth = max(settled[-SETTLED:]) - max(settled[:SETTLED])
    return [
        Figure("segment: memory growth over 2,000 frames", growth, "MB", 5.0),
        Figure("segment: resident memory at the end", resident[-1], "MB"),
    ]


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6
