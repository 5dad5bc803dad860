"""Six zero-shot tasks by the formulas of lm-evaluation-harness 0.4.13: a twin for offline checks, not a replacement.

Published figures come from the harness on an exported directory (`lm_eval --model hf --model_args pretrained=DIR`); this scorer needs no
library and runs on a trained model before its export. tests/test_scale_zeroshot.py compares the two on items made here.
"""
