"""The overlay as H.264 video."""
