"""Inspects data before they are imported: every file is read once, as the trainers will read it.

Role: counts, columns, types, nulls and encodings, or the first error, with file and row. Non-role: copying, training, how a
task of another harness uses its raw data.
"""
