def after_training():
    import torch

    optimiser = torch.optim.AdamW([torch.ones(1000, requires_grad=True)])
    torch.save({"optimiser": optimiser.state_dict(), "settings": {"depth": 4}, "history": [1.0] * 100}, "run.pt")
