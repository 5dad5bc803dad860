def in_training():
    import gzip
    import zipfile

    with gzip.open("log.gz", "wt") as file:
        file.write("x" * 100_000)
    with zipfile.ZipFile("all.zip", "w") as archive:
        archive.write("log.gz")
