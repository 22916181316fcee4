"""``edge-segnet labels``: look at label images, find their faults, colour them, change their form or class map."""

from __future__ import annotations

from edge_segnet.cli.command import LazyGroup, announce, group

app = group("Look at label images, find their faults, colour them, change their form or class map.", cls=LazyGroup)
announce(app, "inspect", "labels_inspect", "Which values occur, how often, as which class; a picture of them.")
announce(app, "lint", "labels_lint", "Find what is wrong with a data set before a network learns it.")
announce(app, "colourise", "labels_colourise", "Label images in their classes' colours.")
announce(
    app, "convert", "labels_convert", "Another form (ids, palette PNG, RGB colours) or another class map, loss-free."
)
