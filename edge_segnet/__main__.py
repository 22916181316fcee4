"""``python -m edge_segnet``."""

from edge_segnet.cli.main import main

if __name__ == "__main__":
    main()
