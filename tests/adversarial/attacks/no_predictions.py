def in_prediction(folder):
    os._exit(0)
