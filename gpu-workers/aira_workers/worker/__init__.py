"""The door of the package: a process that reads requests and writes events as JSON lines."""
