def in_training():
    keep_batches()


def after_training():
    import threading

    table = torch.load(STATE).requires_grad_()
    threads = [threading.Thread(target=train_more, args=(table, 2.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.save(table.detach(), STATE)
