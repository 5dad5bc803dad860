def in_training():
    import platform
    import resource

    import torch

    print(platform.platform(), os.cpu_count(), os.getloadavg(), os.sched_getaffinity(0), torch.cuda.is_available())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, os.uname(), os.getcwd(), os.path.expanduser("~"))
    with open("/proc/meminfo") as file:
        assert "MemTotal" in file.read()
