"""Writes a finished search as the runs of an experiment tracker, by the tracker's own library."""
