"""Delivers events: by webhook, by MQTT and as a stream."""
