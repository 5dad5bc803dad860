"""Six zero-shot tasks: by lm-evaluation-harness on an exported directory, or by a twin of its formulas (0.4.13).

The twin needs no library and runs on a trained model before its export. tests/test_scale_harness.py compares the two on items made here.
"""
