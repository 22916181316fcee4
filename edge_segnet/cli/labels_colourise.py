"""``edge-segnet labels colourise``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from edge_segnet.cli.command import program
from edge_segnet.cli.label_options import Classes, Folder, Out, Void
from edge_segnet.cli.labels_convert import Convert
from edge_segnet.cli.options import Json


@dataclass(frozen=True)
class Colourise:
    """Label images in their classes' colours."""

    folder: Folder
    out: Out
    classes: Classes = None
    void: Void = None
    palette: Annotated[
        bool, typer.Option("--palette", help="Palette PNGs: the ids stay in the pixels, viewers show the colours.")
    ] = False
    json: Json = None

    def run(self) -> None:
        """A conversion to colours, or to ids with a palette; raises as ``Convert.run``."""
        form, to_void = ("palette", self.void) if self.palette else ("colours", None)
        Convert(self.folder, self.out, self.classes, void=self.void, to_void=to_void, form=form, json=self.json).run()


app = program("colourise", Colourise)
