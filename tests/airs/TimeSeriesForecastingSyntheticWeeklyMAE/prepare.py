"""Raw series to what an agent may see."""

from utils import arguments, series, write_rows

HORIZON = 5


def main():
    options = arguments(__doc__)
    train, test = [], []
    for values in series(options.global_shared_data_dir):
        train.append([values[: -2 * HORIZON], values[-2 * HORIZON : -HORIZON]])
        test.append([values[:-HORIZON]])
    write_rows(options.agent_data_mount_dir / "train", ["target", "label_target"], train)
    write_rows(options.agent_data_mount_dir / "test", ["target"], test)
    print(f"{len(train)} series")


if __name__ == "__main__":
    main()
