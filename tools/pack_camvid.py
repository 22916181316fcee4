"""``python -m tools.pack_camvid CAMVID OUT [--mib 40]``: CamVid small enough to be carried to a machine that is lent.

CAMVID holds ``train``, ``trainannot``, ``val`` and ``valannot``. OUT gets the same four folders: pictures as lossy
WebP, of the best quality with which everything fits, label images byte for byte. Two evaluations say what that costs:
the same model on CAMVID's ``val`` and on OUT's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Final

import cv2

from edge_segnet.core.errors import EdgeSegnetError, InputError
from edge_segnet.data.pairs import Pair, find_pairs
from edge_segnet.pictures.files import read_image

PARTS: Final = {"train": "trainannot", "val": "valannot"}
QUALITIES: Final = (98, 95, 92, 90, 85, 80, 70, 60)
PROBED: Final = 24
"""Pictures, evenly chosen, by which a quality's size is judged."""


def pack(camvid: Path, out: Path, limit: int) -> tuple[int, int]:
    """Write the pack of at most ``limit`` bytes; gives its quality and size.

    Raises:
        InputError: a folder or file is missing or broken, or even the lowest quality is too large.
        OutputError: it can't be written.
    """
    parts = {name: find_pairs(camvid / name, camvid / labels) for name, labels in PARTS.items()}
    pairs = [pair for part in parts.values() for pair in part]
    room = limit - sum(pair.labels.stat().st_size for pair in pairs)
    for quality in (quality for quality in QUALITIES if _expected(pairs, quality) < room):
        size = _write(parts, out, quality)
        if size <= limit:
            return quality, size
    raise InputError(f"{camvid}: does not fit into {limit >> 20} MiB", hint="allow more with --mib")


def _expected(pairs: list[Pair], quality: int) -> float:
    """Bytes of all pictures at a quality, from some of them."""
    some = pairs[:: max(len(pairs) // PROBED, 1)]
    return sum(len(_encoded(pair, quality)) for pair in some) / len(some) * len(pairs)


def _encoded(pair: Pair, quality: int) -> bytes:
    _, data = cv2.imencode(".webp", read_image(pair.image), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return data.tobytes()


def _write(parts: dict[str, list[Pair]], out: Path, quality: int) -> int:
    size = 0
    for name, pairs in parts.items():
        for folder in (out / name, out / PARTS[name]):
            folder.mkdir(parents=True, exist_ok=True)
        for pair in pairs:
            picture, labels = out / name / f"{pair.image.stem}.webp", out / PARTS[name] / pair.labels.name
            picture.write_bytes(_encoded(pair, quality))
            shutil.copyfile(pair.labels, labels)
            size += picture.stat().st_size + labels.stat().st_size
    return size


def main() -> int:
    """Exit code 4 if it can't be packed."""
    parser = argparse.ArgumentParser(prog="python -m tools.pack_camvid", description=__doc__)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mib", type=int, default=40)
    arguments = parser.parse_args()
    try:
        quality, size = pack(arguments.camvid, arguments.out, arguments.mib << 20)
    except (EdgeSegnetError, OSError) as error:
        print(f"pack_camvid: {error}", file=sys.stderr)  # noqa: T201
        return 4
    print(f"{arguments.out}: WebP quality {quality}, {size / 2**20:.1f} MiB")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
