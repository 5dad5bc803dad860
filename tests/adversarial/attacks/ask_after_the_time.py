def after_training():
    import time

    import prepare

    time.sleep(prepare.TIME_BUDGET)
    prepare._channel.send("want", {"rows": 1, "length": 32})
    if prepare._channel.receive(1 << 20).kind != "spent":
        escaped("a batch after the time")
