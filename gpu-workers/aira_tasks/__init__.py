"""The scripts of this project's AIRS-Bench task directories, which themselves only find this package and call it."""
