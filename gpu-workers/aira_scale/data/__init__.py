"""Text to token shards: documents.py reads or generates, tokenizer.py encodes, build.py writes, shards.py reads by index."""
