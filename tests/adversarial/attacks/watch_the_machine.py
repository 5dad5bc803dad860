def in_training():
    """SHARED is opened many times a second, outside."""
    import ctypes
    import select

    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(0)
    if watch >= 0 and libc.inotify_add_watch(watch, SHARED.encode(), 0x20) >= 0:
        if select.select([watch], [], [], 2)[0]:
            escaped("saw what others do with a file")
