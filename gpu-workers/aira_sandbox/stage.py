"""The files that a sandboxed program sees and may write, assembled in a mount namespace of the launcher.

Role: L2 and L5 of launcher.py. Non-role: where they are mounted inside (bubblewrap), and the program's identity.
"""

import ctypes
import os
import stat
import struct

#: Files up to this size are copied rather than mounted.
LARGEST_COPY = 16 * 2**20
#: Major and minor numbers (Documentation/admin-guide/devices.txt of the kernel).
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE = 1, 2, 4, 8, 4096, 16384, 1 << 19
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_RDONLY, MOUNT_ATTR_IDMAP = 1, 4, 1, 0x100000

libc = ctypes.CDLL(None, use_errno=True)


class Unstartable(Exception):
    """Raised when the program cannot be started on this machine as ordered."""


def call(name: str, *arguments: object) -> None:
    """Calls a function of libc that returns 0 on success. Raises Unstartable with the kernel's reason otherwise."""
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise Unstartable(f"{name}: {os.strerror(code)}")


def write_text(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def enter_namespaces(dedicated: bool) -> None:
    """Enters a new mount namespace; if this process is not root, within a user namespace in which it is."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWNS if dedicated else CLONE_NEWNS | CLONE_NEWUSER)
    if not dedicated:
        write_text("/proc/self/setgroups", "deny")
        write_text("/proc/self/uid_map", f"0 {uid} 1")
        write_text("/proc/self/gid_map", f"0 {gid} 1")
    mount(None, "/", None, MS_SLAVE | MS_REC, None)


def mount(source: "str | None", target: str, kind: "str | None", flags: int, data: "str | None") -> None:
    encode = lambda text: None if text is None else os.fsencode(text)
    try:
        call("mount", encode(source), encode(target), encode(kind), flags, encode(data))
    except Unstartable as error:
        raise Unstartable(f"{error} ({target})") from None


def build_stage(order: dict, user: int) -> None:
    """Assembles the readable files below the stage, and mounts the writable file systems there (L2)."""
    stage, private = order["stage"], order["privateFiles"]
    maps = IdMaps(user) if order["dedicated"] else None
    opened = [
        (os.open(each["path"], os.O_PATH | os.O_CLOEXEC), maps if each["given"] else None) for each in order["sources"]
    ]
    mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,nr_inodes=4096,mode=0755")
    os.mkdir(f"{stage}/empty")
    for index, (descriptor, given) in enumerate(opened):
        target = f"{stage}/in{index}"
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            show_folder(descriptor, target, f"{stage}/empty" if private else None, given)
        else:
            show_file(descriptor, target, private, given)
        os.close(descriptor)
    for index, each in enumerate(order["writable"]):
        os.mkdir(f"{stage}/rw{index}")
        mount(each["path"], f"{stage}/rw{index}", None, MS_BIND, None)
    build_devices(f"{stage}/dev", private)
    for each in order["scratch"]:
        target = f"{stage}/{each['name']}"
        os.mkdir(target)
        size = f"size={each['bytes']}," if each["bytes"] else "size=0,"
        inodes = f"nr_inodes={each['inodes'] or 0},"
        flags = MS_NOSUID | MS_NODEV | (0 if each["exec"] else MS_NOEXEC)
        mount("tmpfs", target, "tmpfs", flags, f"{size}{inodes}mode=0700,uid={user},gid={user}")


def show_folder(descriptor: int, target: str, empty: "str | None", maps: "IdMaps | None") -> None:
    """Mounts a folder read-only: as an overlay with its own inodes (L5), or directly if the kernel supports no overlay for it
    or if another mount is below it, which an overlay would hide."""
    os.mkdir(target)
    graft(descriptor, target, maps)
    here = f"/proc/self/fd/{descriptor}"
    if empty is None or has_mounts_below(os.readlink(here)):
        return
    for below in (target, here):
        try:
            return mount("overlay", target, "overlay", MS_RDONLY | MS_NODEV, f"lowerdir={below}:{empty}")
        except Unstartable:
            continue


class IdMaps:
    """User namespaces, one per owner of files, that map the owner to the program's user: so the program can read its files,
    whatever their umask."""

    def __init__(self, user: int) -> None:
        self.user = user
        self.known: dict[tuple[int, int], int] = {}

    def of(self, owner: int, group: int) -> int:
        if (owner, group) not in self.known:
            self.known[owner, group] = self.make(owner, group)
        return self.known[owner, group]

    def make(self, owner: int, group: int) -> int:
        ready, tell = os.pipe()
        stay, leave = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(leave)
            os.write(tell, b"1" if libc.unshare(CLONE_NEWUSER) == 0 else b"0")
            os.read(stay, 1)
            os._exit(0)
        try:
            if os.read(ready, 1) != b"1":
                raise PermissionError
            write_text(f"/proc/{child}/uid_map", f"{owner} {self.user} 1")
            write_text(f"/proc/{child}/gid_map", f"{group} {self.user} 1")
            return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            for each in (ready, tell, stay, leave):
                os.close(each)
            os.waitpid(child, 0)


def graft(descriptor: int, target: str, maps: "IdMaps | None") -> None:
    """Mounts a file or folder at `target`; owned by the program if `maps` is set and kernel (5.12) and file system support it."""
    found = os.fstat(descriptor)
    try:
        if maps is not None:
            return graft_mapped(descriptor, target, maps.of(found.st_uid, found.st_gid))
    except (Unstartable, OSError):
        pass
    mount(f"/proc/self/fd/{descriptor}", target, None, MS_BIND | MS_REC, None)


def graft_mapped(descriptor: int, target: str, namespace: int) -> None:
    """open_tree, mount_setattr and move_mount, which have one number on all processors and no function in older C libraries."""
    tree = libc.syscall(428, descriptor, b"", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | os.O_CLOEXEC)
    if tree < 0:
        raise Unstartable("open_tree")
    try:
        attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY | MOUNT_ATTR_IDMAP, 0, 0, namespace)
        call("syscall", 442, tree, b"", AT_EMPTY_PATH | AT_RECURSIVE, attributes, len(attributes))
        call("syscall", 429, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def has_mounts_below(folder: str) -> bool:
    # Mount points are written with octal escapes for blanks and similar characters.
    with open("/proc/self/mountinfo", "rb") as file:
        points = [line.split()[4].decode("unicode_escape").encode("latin-1") for line in file]
    prefix = os.fsencode(folder.rstrip("/") + "/")
    return any(point.startswith(prefix) for point in points)


def show_file(descriptor: int, target: str, private: bool, maps: "IdMaps | None") -> None:
    """Shows a small file as a copy with its own inode (L5), and mounts a large one directly."""
    here = f"/proc/self/fd/{descriptor}"
    found = os.fstat(descriptor)
    new_file(target)
    if not private or not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_COPY:
        return graft(descriptor, target, maps)
    with open(here, "rb") as source, open(target, "wb") as copy:
        copy.write(source.read(LARGEST_COPY))
    # The program has to be able to read it, whatever its umask.
    os.chmod(target, stat.S_IMODE(found.st_mode) & 0o755 | 0o444)


def give(folders: "list[dict]", user: int, group: int) -> None:
    """Changes the owner of folders of the host and of everything in them."""
    for each in folders:
        os.chown(each["path"], user, group)
        for place, inner, files in os.walk(each["path"]):
            for name in inner + files:
                os.chown(os.path.join(place, name), user, group, follow_symlinks=False)


def new_file(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def build_devices(folder: str, private: bool) -> None:
    """The harmless device nodes: new ones (L5) if this process may create them, else those of the machine."""
    os.mkdir(folder)
    mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k,nr_inodes=16,mode=0755")
    private = private and makes_devices(folder)
    for name, (major, minor) in DEVICES.items():
        path = f"{folder}/{name}"
        if private:
            os.mknod(path, stat.S_IFCHR, os.makedev(major, minor))
            os.chmod(path, 0o666)
        else:
            new_file(path)
            mount(f"/dev/{name}", path, None, MS_BIND, None)


def makes_devices(folder: str) -> bool:
    """Whether this process can create and open device nodes; a container may permit neither."""
    trial = f"{folder}/trial"
    try:
        os.mknod(trial, stat.S_IFCHR | 0o600, os.makedev(*DEVICES["null"]))
    except OSError:
        return False
    try:
        os.close(os.open(trial, os.O_WRONLY))
        return True
    except OSError:
        return False
    finally:
        os.unlink(trial)
