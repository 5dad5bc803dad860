"""Looks into data before they are imported: every file is read once, as the trainers will read it.

Role: counts, columns, types, nulls and encodings, or the first thing that is wrong, with file and row. Non-role: copying,
training, deciding what a task by others makes of its raw data.
"""
