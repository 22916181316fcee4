"""A street that is drawn, not filmed: the default input, the demo and the test fixture. See ``scene.Street``."""

from edge_segnet.street.scene import Street

__all__ = ["Street"]
