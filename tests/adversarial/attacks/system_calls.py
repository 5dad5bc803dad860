def in_training():
    import ctypes
    import errno
    import platform

    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {
        "x86_64": {"ptrace": 101, "io_uring_setup": 425, "keyctl": 250, "userfaultfd": 323, "bpf": 321, "personality": 135},
        "aarch64": {"ptrace": 117, "io_uring_setup": 425, "keyctl": 219, "userfaultfd": 282, "bpf": 280, "personality": 92},
    }[platform.machine()]
    for name, number in numbers.items():
        ctypes.set_errno(0)
        libc.syscall(number, 0, 0, 0, 0, 0)
        if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            escaped(f"{name} reached the kernel")
