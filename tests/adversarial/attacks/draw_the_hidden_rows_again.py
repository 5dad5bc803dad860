DRAWN = []


def in_prediction(folder):
    """The generator is public and seeds are small, but what is drawn depends on a secret too."""
    import json
    from pathlib import Path

    import numpy
    from aira_design.autoresearch import host
    from aira_design.settings import parse_settings

    settings = parse_settings(json.load(open("/box/settings.json")))
    for seed in range(3):
        out = Path("/tmp/again") / str(seed)
        host.prepare(settings, seed, None, None, out)
        DRAWN.extend(numpy.load(out / "hidden" / f"{split}_rows.npy") for split in ("validation", "test"))


def wrap(answer):
    def compare(tokens):
        shown = tokens.numpy()
        for drawn in DRAWN:
            same = (drawn[:, None, : shown.shape[1]] == shown[None]).all(axis=2).any(axis=0).mean()
            # Beginnings are alike by chance.
            if shown.shape[1] > 16 and same > 0.25:
                escaped(f"{same:.0%} of the hidden rows are drawn")
        return answer(tokens)

    return compare
