def in_training():
    os.nice(5)
    os.sched_yield()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
