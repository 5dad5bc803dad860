"""Probes the sandbox from inside, as `python3 -I -c`, and reports the first protection that is missing.

Arguments: JSON of the paths that should be visible, and the modules that have to be found. Status 0 and a file in the
output folder if all protections work; else one line on standard error and status 1, or 3 if only a module is missing.
"""

import importlib.util
import itertools
import json
import os
import socket
import sys

LACKS_MODULES = 3


def main() -> None:
    shown, modules = set(json.loads(sys.argv[1])), sys.argv[2:]
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    check(status["Seccomp"].strip() == "2", "system calls are not filtered")
    check(status["NoNewPrivs"].strip() == "1", "new privileges can be gained")
    check(int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0, "capabilities are left")
    check(fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)), "the network can be reached")
    processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    check(max(processes) <= 64, "other processes are visible")
    check(fails(lambda: open("/proc/1/mem", "r+b")), "the memory of the first process can be written")
    check(fails(lambda: open("/door", "w")), "the root can be written")
    check(fails(lambda: open("/dev/door", "w")), "/dev can be written")
    seen = list(itertools.islice(strange("/", shown, parents(shown)), 3))
    check(not seen, "more is visible than it should be: " + ", ".join(map(ascii, seen)))
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    if lacking:
        print(f"Python finds no {' and no '.join(lacking)} inside: links lead out of its own folders", file=sys.stderr)
        sys.exit(LACKS_MODULES)
    with open("/box/out/doors", "w") as file:
        file.write("tried")


def parents(shown):
    """The parent folders of visible paths, which must contain nothing else."""
    found = {"/tmp"}
    for path in shown:
        while path != "/":
            path = os.path.dirname(path)
            found.add(path)
    return found


def strange(folder, shown, above):
    """Paths that are visible and should not be."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if path in shown:
            continue
        if path in above and os.path.isdir(path) and not os.path.islink(path):
            yield from strange(path, shown, above)
        else:
            yield path


def fails(action) -> bool:
    try:
        action()
    except OSError:
        return True
    return False


def check(closed: bool, problem: str) -> None:
    if not closed:
        sys.exit(problem)


main()
