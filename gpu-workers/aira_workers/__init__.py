"""Trains candidate architectures on proxy tasks and reports their scores; see `worker/protocol.py` for the door."""
