"""Text for language proxies and training scripts: a generator of this project, imported shards, tokenizers."""
