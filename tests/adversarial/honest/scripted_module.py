def in_training():
    import torch

    traced = torch.jit.trace(torch.nn.Linear(3, 3), torch.ones(1, 3))
    traced.save("traced.pt")
    assert torch.jit.load("traced.pt")(torch.ones(1, 3)).shape == (1, 3)
