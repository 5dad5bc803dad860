def in_training():
    """The loop goes over all that it has been served before it asks for the next batch, so that no time is spent after the last."""
    global train
    steps = train

    def slowly(table, batches):
        global train
        train = steps
        for batch in batches:
            CACHE.append(batch)
            train_more(table, 1)

    train = slowly
