def after_training():
    """Sets whatever counts on this side."""
    import prepare

    prepare.TOKEN_BUDGET, prepare.TIME_BUDGET, prepare.CPU_BUDGET = 10**9, 1e9, 1e9
    prepare.Batches.tokens = property(lambda self: 0, lambda self, value: None)
    for _ in prepare.make_dataloader(8):
        escaped("a batch beyond the budget")
