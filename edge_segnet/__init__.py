from edge_segnet.core import quiet

quiet.keep()
