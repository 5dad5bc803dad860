"""A model as a Hugging Face directory: trained, or freshly initialised.

    nemotron_h        the nemotron family: one layer per primitive, no custom code, also in vLLM and llama.cpp by their lists of architectures
    llama             the llama family where the pattern is mA M mA M ...
    granitemoehybrid  the llama family otherwise: every layer there is mixer and MLP, so a lone primitive is paired with zeros,
                      whose output is exactly zero; costs parameters and time, not accuracy
    custom            any model, exact and unpadded, by modelling code of its own (custom/); needs trust_remote_code

`write.py` writes a directory and has it re-loaded and compared by `check.py` in a fresh process before it gets its name.
"""
