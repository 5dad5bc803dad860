def in_training():
    import torch

    torch.set_num_threads(4)
    assert (torch.ones(500, 500) @ torch.ones(500, 500))[0, 0] == 500
    torch.set_num_threads(1)
