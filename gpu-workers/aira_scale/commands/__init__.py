"""One file per command of `python3 -m aira_scale`: parse, call, print."""
