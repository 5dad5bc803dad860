"""Starts one untrusted program in its own namespaces, and returns the files that it wrote after its last process has ended.

Role: the steps that only the process itself can take, between the host (which decides everything and sends it as one
line of JSON) and bubblewrap (which builds the inner namespaces). Non-role: deadlines, the meaning of an exit, limits of control
groups (the host writes those; this process only enters them).

  L1  The program never runs with an identity, descriptor or variable of this process: descriptors above 2 are closed, the
      environment is the order's, root changes to a user id that no other process has.
  L2  The program writes only to file systems made here, whose bytes and inodes are limited. They are mounted in a mount
      namespace of this process, so nothing is left when it ends. Exceptions are writable folders of the host
      (`writable`): their size is measured while it runs.
  L3  Files are returned after the last process of the program has ended: regular files with one link only, opened without
      following a link, and no more bytes than allowed.
  L4  End of input, or the death of the host, kills the program.
  L5  The program reads inodes of its own, as far as the kernel allows: other programs that run at the same time could see a
      lock or a watch on a file of the machine.
  L6  Where a trusted process talks to the program, this process connects to it before any of the above, with the rights of the
      host, and the program gets the connected socket as descriptor 3. It can reach no other socket of the host.

Messages on descriptor 3, each one line of JSON; a `file` is followed by exactly `bytes` bytes:
``started {uid}``, ``ended {code, signal, cpuSeconds, peakBytes, watched, full, ran}``, ``file {path, bytes}``, ``strange {path, kind}``,
``done``, or ``unstartable {message}``.

Runs with ``python3 -I -S``, with the standard library and the files next to it. It takes no arguments.
"""

import base64
import json
import os
import select
import signal
import socket
import stat
import sys
import time

# Isolated mode leaves out the folder of the script. Appended, so that no file in it can shadow a standard module.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from stage import Unstartable, build_stage, call, enter_namespaces, give, write_text

REPORT = 3
#: Of the program; see L6.
CHANNEL = 3
#: Enough above what people, services and subordinate ids use; a process id is at most 2**22, so that ids are unique.
FIRST_USER_ID = 2_000_000_000
DEEPEST = 6
WATCH_SECONDS = 0.2
#: How long the kernel may take to end the processes of a namespace that has lost its first one.
GONE_SECONDS = 10.0
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 38, 36


def report(kind: str, /, **fields: object) -> None:
    write_all((json.dumps({"type": kind, **fields}) + "\n").encode())


def write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(REPORT, view) :]


def read_order() -> dict:
    """The first line of the input, which stays open: its end kills the program (L4)."""
    text = bytearray()
    while not text.endswith(b"\n"):
        chunk = os.read(0, 1)
        if not chunk:
            raise SystemExit(1)
        text += chunk
        if len(text) > 65536 and text[-1:] != b"\n":
            text += read_rest()
    return json.loads(text)


def read_rest() -> bytes:
    """The rest of a long first line, a block at a time: nothing follows it before the program has ended."""
    blocks = []
    while not blocks or not blocks[-1].endswith(b"\n"):
        block = os.read(0, 65536)
        if not block:
            raise SystemExit(1)
        blocks.append(block)
    return b"".join(blocks)


def connect(path: str) -> int:
    """A descriptor of the socket of the trusted process that listens at `path` (L6)."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(path)
    except OSError as error:
        raise Unstartable(f"channel: {error.strerror}") from None
    return channel.detach()


def become(order: dict, user: int, pipes: "dict[str, int]", channel: "int | None") -> None:
    """In the child: enters the control groups, gives up root (L1), and becomes bubblewrap or the bare program."""
    for path in order["groups"]:
        write_text(path, "0")
    if order["dedicated"]:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # After the change of identity, which clears it.
    if order["dieWithParent"]:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if channel is not None:
        # Replaces the report pipe, which belongs to the parent.
        os.dup2(channel, CHANNEL)
    descriptors = dict(pipes)
    for name, text in order["contents"].items():
        descriptor = os.memfd_create(name, 0)
        os.write(descriptor, base64.b64decode(text))
        os.lseek(descriptor, 0, os.SEEK_SET)
        descriptors[name] = descriptor
    if order["closeDescriptors"]:
        lowest = 3
        for descriptor in sorted([*descriptors.values(), *([] if channel is None else [CHANNEL])]):
            os.closerange(lowest, descriptor)
            lowest = descriptor + 1
        os.closerange(lowest, 1 << 20)
    os.chdir(order["directory"])
    command = [str(descriptors.get(argument, argument)) for argument in order["command"]]
    os.set_inheritable(descriptors["@status"], True)
    os.execve(command[0], command, order["environment"])


def start(order: dict, user: int, channel: "int | None") -> "tuple[int, int]":
    """Forks the child that becomes the program. Returns its process id and the descriptor of bubblewrap's status.

    Raises Unstartable with the child's reason if it cannot become the program.
    """
    failed, tell = os.pipe()
    status, status_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            become(order, user, {"@tell": tell, "@status": status_end}, channel)
        except BaseException as error:
            os.write(tell, str(error).encode())
        os._exit(127)
    os.close(tell)
    os.close(status_end)
    if channel is not None:
        os.close(channel)
    # Ends with the exec, which closes the other side.
    reason = read_all(failed)
    if reason:
        os.waitpid(child, 0)
        raise Unstartable(reason.decode(errors="replace"))
    return child, status


def read_all(descriptor: int) -> bytes:
    blocks = []
    while block := os.read(descriptor, 65536):
        blocks.append(block)
    os.close(descriptor)
    return b"".join(blocks)


def descendants() -> "list[int]":
    """All descendant processes; those whose parent has died are this process's children (it is their reaper)."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    # The name in parentheses may contain any character, a parenthesis included.
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found, open_ends = [], [os.getpid()]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


def memory_bytes(pids: "list[int]", sandboxed: bool) -> int:
    """Memory of processes without files in memory.

    In the sandbox: their own pages, and memory that they share without a file, which counts by its size, since its pages stay
    when they are no longer mapped. The filter refuses other kinds of shared memory. Without the sandbox: all that they map.
    """
    counted = ("RssAnon:", "RssFile:") if sandboxed else ("VmRSS:",)
    own, shared = 0, {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as file:
                own += sum(1024 * int(line.split()[1]) for line in file if line.startswith(counted))
            with open(f"/proc/{pid}/maps") as file:
                mapped = [line.split() for line in file if sandboxed and line.endswith("/dev/zero (deleted)\n")]
        except (OSError, ValueError):
            continue
        sizes: dict[str, int] = {}
        for extent, _, _, _, inode, *_ in mapped:
            start, end = (int(part, 16) for part in extent.split("-"))
            sizes[inode] = sizes.get(inode, 0) + end - start
        for inode, size in sizes.items():
            shared[inode] = max(shared.get(inode, 0), size)
    return own + sum(shared.values())


def folder_bytes(folder: str) -> int:
    """Size of a folder on disk; it may change during the count."""
    total, open_ends = 0, [folder]
    while open_ends:
        try:
            with os.scandir(open_ends.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        open_ends.append(entry.path)
        except OSError:
            continue
    return total


def file_bytes(mounts: "list[str]") -> int:
    """Bytes on file systems in memory, deleted files that are still open included."""
    used = [os.statvfs(path) for path in mounts]
    return sum((each.f_blocks - each.f_bfree) * each.f_frsize for each in used)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


class Watch:
    """Waits until a program exits, is killed by the host (L4), or exceeds its memory."""

    def __init__(self, child: int, order: dict) -> None:
        self.child = child
        self.limit: int | None = order["watchBytes"]
        self.mounts = [f"{order['stage']}/{each['name']}" for each in order["scratch"]]
        self.writable: list[dict] = order["writable"]
        self.full = False
        self.cpu_seconds = 0.0
        self.peak = 0
        self.watched = False

    def until_gone(self) -> int:
        """The child's wait status, after all processes that it started have ended."""
        self.until_ended()
        return self.reap_rest()

    def until_ended(self) -> None:
        descriptor = os.pidfd_open(self.child)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.register(0, select.POLLIN | select.POLLHUP)
        timeout = None if self.limit is None and not self.writable else WATCH_SECONDS * 1000
        while True:
            ready = dict(poller.poll(timeout))
            if descriptor in ready:
                os.close(descriptor)
                return
            if 0 in ready and not os.read(0, 4096):
                poller.unregister(0)
                kill(self.child)
            self.check()

    def check(self) -> None:
        if any(folder_bytes(each["path"]) > each["bytes"] for each in self.writable):
            self.full = True
            kill(self.child)
        if self.limit is None:
            return
        used = memory_bytes(descendants(), bool(self.mounts)) + file_bytes(self.mounts)
        self.peak = max(self.peak, used)
        if used > self.limit:
            self.watched = True
            kill(self.child)

    def reap_rest(self) -> int:
        status = 0
        deadline = time.monotonic() + GONE_SECONDS
        while time.monotonic() < deadline:
            try:
                pid, ended, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return status
            if pid == 0:
                # A namespace dies with its first process; one that was killed during set-up has none yet.
                for each in descendants():
                    kill(each)
                time.sleep(0.002)
                continue
            status = ended if pid == self.child else status
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.peak = max(self.peak, usage.ru_maxrss * 1024)
        raise Unstartable("the kernel did not end the program's processes")


class Export:
    """Returns a folder's files (L3)."""

    def __init__(self, order: dict) -> None:
        self.bytes_left: int = order["maxBytes"]
        self.files_left: int = order["maxFiles"]
        self.follow: int = 0 if order["strict"] else 1

    def folder(self, descriptor: int, path: str, depth: int) -> None:
        for name in sorted(os.listdir(descriptor)):
            inner = f"{path}{name}"
            if not all(character.isalnum() and character.isascii() or character in "._-" for character in name):
                self.strange("name", path)
                continue
            kind = os.stat(name, dir_fd=descriptor, follow_symlinks=bool(self.follow))
            if stat.S_ISDIR(kind.st_mode):
                self.inner_folder(descriptor, name, inner, depth)
            elif stat.S_ISREG(kind.st_mode):
                self.file(descriptor, name, inner)
            else:
                self.strange(_kinds.get(stat.S_IFMT(kind.st_mode), "other"), inner)

    def inner_folder(self, parent: int, name: str, path: str, depth: int) -> None:
        if depth == DEEPEST:
            self.strange("deep", path)
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        self.folder(descriptor, f"{path}/", depth + 1)
        os.close(descriptor)

    def file(self, parent: int, name: str, path: str) -> None:
        nofollow = 0 if self.follow else os.O_NOFOLLOW
        descriptor = os.open(name, os.O_RDONLY | nofollow | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        try:
            found = os.fstat(descriptor)
            if not self.follow and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1):
                self.strange("linked", path)
            elif found.st_size > self.bytes_left or self.files_left == 0:
                self.strange("large", path)
            else:
                self.bytes_left -= found.st_size
                self.files_left -= 1
                self.send(descriptor, path, found.st_size)
        finally:
            os.close(descriptor)

    def send(self, descriptor: int, path: str, size: int) -> None:
        report("file", path=path, bytes=size)
        left = size
        while left > 0:
            block = os.read(descriptor, min(left, 1 << 18))
            if not block:
                raise Unstartable("a file became shorter while it was read")
            write_all(block)
            left -= len(block)

    def strange(self, kind: str, path: str) -> None:
        # Counted like a file, so that a million of them is not a million messages.
        if self.files_left > 0:
            self.files_left -= 1
            report("strange", kind=kind, path=path)


_kinds = {
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def run(order: dict) -> None:
    user = FIRST_USER_ID + os.getpid() if order["dedicated"] else 0
    call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    channel = None if order["channel"] is None else connect(order["channel"])
    if order["stage"] is not None:
        enter_namespaces(order["dedicated"])
        build_stage(order, user)
    if order["dedicated"]:
        give(order["writable"], user, user)
    child, status = start(order, user, channel)
    report("started", uid=user if order["dedicated"] else os.getuid())
    watch = Watch(child, order)
    ended = watch.until_gone()
    if order["dedicated"]:
        give(order["writable"], os.getuid(), os.getgid())
    code = os.waitstatus_to_exitcode(ended)
    report(
        "ended",
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        cpuSeconds=watch.cpu_seconds,
        peakBytes=watch.peak,
        watched=watch.watched,
        full=watch.full,
        # Bubblewrap reports the code of a program that ran; without one it failed itself or was killed.
        ran=order["stage"] is None or b"exit-code" in read_all(status),
    )
    descriptor = os.open(order["export"]["folder"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    Export(order["export"]).folder(descriptor, "", 0)


def main() -> None:
    # The death of the host may come before this line; then the input has ended already.
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        run(read_order())
    except (Unstartable, OSError) as error:
        report("unstartable", message=str(error))
    report("done")


if __name__ == "__main__":
    sys.exit(main())
