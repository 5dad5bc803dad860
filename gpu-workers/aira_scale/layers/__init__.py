"""Layers of the scale families. Weights are stored (out, in), under the names that Hugging Face uses."""
