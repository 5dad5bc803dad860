"""Train found patterns at growing sizes, and hand over the model.

    models     shapes.py, model.py, layers/: two families over the primitives mA, M and Mb, on any device, "meta" included
    counts     counts.py: parameters and FLOPs by formula
    data       data/: text to token shards with an index
    training   job.py, schedule.py, optimiser.py, trainer.py, checkpoint.py, parallel.py
    export     export/: Hugging Face directories, checked in a fresh process
    zero-shot  zeroshot/: the six tasks' formulas

`python3 -m aira_scale --help` lists the commands; protocol.py documents what a host that starts them reads and writes.
"""
