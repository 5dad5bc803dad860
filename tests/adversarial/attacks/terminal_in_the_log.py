def in_training():
    sys.stderr.buffer.write(b"\x1b]0;owned\x07\x1b[2J\x00\xff\xfe\r\x1b[31mred")
    sys.stderr.flush()
    os._exit(7)
