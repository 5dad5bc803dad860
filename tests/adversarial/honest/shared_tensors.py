def add_one(tensor):
    tensor += 1


def in_training():
    import torch
    import torch.multiprocessing as processes

    shared = torch.zeros(1000).share_memory_()
    worker = processes.get_context("fork").Process(target=add_one, args=(shared,))
    worker.start()
    worker.join()
    assert shared.sum() == 1000
