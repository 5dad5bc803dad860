"""The process between the host and bubblewrap; see `launcher.py`. The host's side is `src/sandbox`."""
