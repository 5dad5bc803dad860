def in_training():
    import torch

    assert torch.ones(120_000_000).sum() > 0
