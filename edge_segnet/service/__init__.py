"""The service: wires cameras, model and sinks; lives with systemd; reloads; ends tidily. No pixels."""
