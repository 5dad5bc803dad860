def in_training():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.arange(100)), batch_size=10, num_workers=2)
    assert sum(len(batch[0]) for batch in loader) == 100
