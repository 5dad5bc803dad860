"""Long Range Arena: a candidate is a sequence mixer, placed in every layer of one fixed encoder."""
