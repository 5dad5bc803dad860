"""Autoresearch: a candidate is one training script of a language model; the score is bits per byte of hidden text."""
