def in_prediction(folder):
    while True:
        pass
