"""Live in Foxglove, over a WebSocket."""
