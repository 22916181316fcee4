"""``edge-segnet import-caffe``."""

from __future__ import annotations

import colorsys
import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from edge_segnet.cli.command import program
from edge_segnet.cli.common import console, json_lines, progress_bar, read_classes
from edge_segnet.cli.options import Json, OutModel
from edge_segnet.core import classes as class_maps
from edge_segnet.core.classes import CLASS_MAPS, VOID_OUTPUTS, ClassMap
from edge_segnet.core.errors import ModelError
from edge_segnet.core.size import parse_size
from edge_segnet.graph import card as cards
from edge_segnet.graph.caffe import Imported, import_caffe, statistics_graph
from edge_segnet.graph.finish import move_void
from edge_segnet.offline.bn_statistics import BATCH, Statistics, measure
from edge_segnet.pictures.files import read_lut
from edge_segnet.pictures.listing import pictures_in

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportCaffe:
    """Bring a SegNet or ENet of the Caffe fork along; needs no Caffe.

    edge-segnet import-caffe --model segnet.prototxt --weights segnet.caffemodel --classes camvid-12 -o segnet.onnx
    """

    model: Annotated[Path, typer.Option("--model", metavar="M.prototxt", help="The network, as Caffe describes it.")]
    weights: Annotated[Path, typer.Option(metavar="W.caffemodel", help="Its weights.")]
    out: OutModel
    colours: Annotated[Path | None, typer.Option(metavar="LUT.png", help="A 256x1 palette such as camvid12.png.")] = (
        None
    )
    classes: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Class map: a name, a YAML file or a 256x1 palette PNG.")
    ] = None
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Network size; the prototxt's own, else 480x360.")] = (
        None
    )
    void: Annotated[
        int | None,
        typer.Option(metavar="K", min=0, help="The network's output that stands for void and is no class."),
    ] = None
    bn_statistics: Annotated[
        Path | None,
        typer.Option(metavar="PICTURES", help="Folder of training pictures, for weights whose BN is in LEARN mode."),
    ] = None
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="What the weights' licence asks of the model's users.")
    ] = ""
    json: Json = None

    def run(self) -> None:
        """Import, check the classes, write, report.

        Raises:
            ModelError: see ``graph.caffe``; or the class map has another length than the classifier.
            InputError, UsageError: the palette or the class map is no good.
        """
        wanted = parse_size(self.size) if self.size else None
        lut = None if self.colours is None else read_lut(self.colours)
        named = None if self.classes is None else read_classes(self.classes)
        statistics = None if self.bn_statistics is None else self._measured(self.bn_statistics, wanted)
        imported = import_caffe(self.model, self.weights, wanted, statistics)
        void = self._void(imported, named)
        if void is not None:
            move_void(imported.model, void)
        class_map = _class_map(imported, named, self.colours, lut, imported.classes - (void is not None))
        provenance = {
            "imported_from": {"prototxt": self.model.name, "caffemodel": self.weights.name, "network": imported.name}
        }
        imported_model = cards.attach(
            imported.model,
            name=self.out.stem,
            classes=class_map,
            licence=self.licence,
            provenance=provenance | _report(imported),
            void_output=void is not None,
        )
        cards.save(imported_model, self.out)
        document = {"output": str(self.out), "classes": class_map.to_dict(), **_report(imported)}
        with json_lines(self.json) as emit:
            emit(document)
        if self.json != "-":
            console(self.json).print(_table(imported, class_map))
        for note in imported.notes:
            logger.warning("note: %s", note)
        logger.info("%s + %s -> %s", self.model, self.weights, self.out)

    def _measured(self, folder: Path, size: tuple[int, int] | None) -> Statistics:
        """The statistics of the BN layers over a folder's pictures."""
        pictures = pictures_in(folder)
        batch = min(BATCH, len(pictures))
        graph = statistics_graph(self.model, self.weights, size, batch)
        with progress_bar("BN statistics", len(pictures) // batch) as advance:
            statistics = measure(graph, pictures, advance)
        used = len(pictures) // batch * batch
        logger.info("statistics of %d BN layers over %d pictures of %s", len(statistics), used, folder)
        return statistics

    def _void(self, imported: Imported, named: ClassMap | None) -> int | None:
        """The output that is void: as asked for, or as the class map's networks have it."""
        if self.void is None and named is not None and imported.classes == len(named) + 1:
            return VOID_OUTPUTS.get(named.name)
        return self.void


def _class_map(imported: Imported, named: ClassMap | None, colours: Path | None, lut: Any, count: int) -> ClassMap:
    """The named map with the palette's colours; either alone; or, of neither, numbers in place of names."""
    from_colours = None if lut is None or colours is None else class_maps.from_lut(lut, None, colours.stem)
    for given, where in ((from_colours, str(colours)), (named, named.name if named else "")):
        if given is not None and len(given) != count:
            raise ModelError(
                f"{where}: {len(given)} classes, but the network's classifier has {count} channels",
                hint=_hint(count) + (f"; if an output is void: --void {count - 1}" if len(given) == count - 1 else ""),
            )
    if named is not None and from_colours is not None:
        return dataclasses.replace(named, colours=from_colours.colours)
    if named is not None or from_colours is not None:
        return named or from_colours or CLASS_MAPS["camvid-11"]
    imported.notes.append(f"no --classes and no --colours: the {count} classes have numbers for names ({_hint(count)})")
    return _numbered(count)


def _hint(count: int) -> str:
    known = [name for name, known in CLASS_MAPS.items() if len(known) == count]
    fitting = f"{' and '.join(known)} {'have' if len(known) > 1 else 'has'} {count}" if known else "none here has"
    return f"which classes they are only the training knows: {fitting}; CamVid comes with 11 and, with Road_marking, 12"


def _numbered(count: int) -> ClassMap:
    """``class_0`` and so on, in colours that differ: golden-angle steps around the wheel."""
    colours = []
    for number in range(count):
        red, green, blue = colorsys.hsv_to_rgb(number * 0.381966 % 1.0, 0.8, 1.0 - 0.45 * (number % 2))
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return ClassMap(f"numbered-{count}", tuple(f"class_{number}" for number in range(count)), tuple(colours))


def _report(imported: Imported) -> dict[str, Any]:
    return {
        "network_size": list(imported.size),
        "layers": dict(imported.layers),
        "folded": imported.folded,
        "ignored": imported.ignored,
        "notes": imported.notes,
        "parameters": imported.cost.parameters,
        "gmac": round(imported.cost.macs / 1e9, 3),
    }


def _table(imported: Imported, classes: ClassMap) -> Table:
    table = Table.grid(padding=(0, 2))
    layers = ", ".join(f"{count} {kind}" for kind, count in imported.layers.most_common())
    rows = {
        "network": f"{imported.name}, {imported.size[0]}x{imported.size[1]}",
        "layers": layers,
        "folded": f"{len(imported.folded)} into the convolution before them" if imported.folded else "none",
        "ignored": "\n".join(_summary(imported.ignored)) or "none",
        "parameters": f"{imported.cost.parameters:,}",
        "work": f"{imported.cost.macs / 1e9:.1f} GMAC a frame",
        "classes": f"{len(classes)} of {classes.name}: {', '.join(classes.names)}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _summary(ignored: list[str]) -> list[str]:
    """Layers that were left out for the same reason, on one line."""
    reasons: dict[str, list[str]] = {}
    for line in ignored:
        name, _, reason = line.partition(" (")
        reasons.setdefault(reason, []).append(name)
    lines = []
    for reason, names in reasons.items():
        some = f"{', '.join(names[:3])} and {len(names) - 3} more" if len(names) > 4 else ", ".join(names)
        lines.append(f"{some} ({reason}")
    return lines


app = program("import-caffe", ImportCaffe)
