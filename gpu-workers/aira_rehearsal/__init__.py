"""Rehearsals: the training rows of a task, split again, and shorter settings for programs.

Trusted code. It reads train/ and the manifest of prepared data, never the hidden rows of the evaluator, and leaves a folder of
the same layout whose `validation` is a part of the training rows. The evaluator's steps then run on it unchanged.
For scripts about stacks it draws rows of its own (stacks.py). It decides no score, so the evaluator's version leaves it out.
"""
