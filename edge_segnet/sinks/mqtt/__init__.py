"""Status, results and events to an MQTT 5 broker."""
