def after_training():
    """The budget is spent: asks again without the loop that would stop, for less, and from another process."""
    import prepare

    def ask():
        for rows in (8, 1, 8, 1):
            prepare._channel.send("want", {"rows": rows, "length": 32})
            if prepare._channel.receive(1 << 20).kind != "spent":
                escaped("a batch beyond the budget")

    ask()
    if os.fork() == 0:
        ask()
        os._exit(0)
    if os.wait()[1] != 0:
        escaped("a batch beyond the budget, in a child")
