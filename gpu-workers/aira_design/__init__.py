"""AIRA-Design: programs that agents write are trained, asked and scored, each step as a process of its own.

    prepare   trusted     draws or reads the data; writes train/, validation/, test/ (inputs only) and hidden/
    train     untrusted   zone 1: sees train/ and the candidate's files, leaves a state
    predict   untrusted   zone 2: sees inputs, state and the candidate's files, leaves one raw float file
    score     trusted     zone 3: sees that file, the sizes of the state and hidden/; computes the number

Of a hosted family (lra) both zones have two ends, joined by a channel:

    host-train, host-predict   trusted     data, encoder, optimiser, loops; write the state and the predictions
    mixers                     untrusted   the candidate's code; sees activations and gradients

The trusted steps never import, unpickle or parse anything that a candidate wrote: they read one file of exactly the
expected size. Nothing here isolates a process; that is the host's part.
"""
