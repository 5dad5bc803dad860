"""Compiles the engine once and finds it again.

The library lies in the cache folder, `$XDG_CACHE_HOME/aira/engine` or `~/.cache/aira/engine`, in a folder per hash of
sources, flags and processor, under a name per compiler and its version. Where the compiler has gone since, what it left
behind still serves.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "engine"

# No fast-math: NaN must stay NaN. The two flags drop errno and traps, which nothing reads.
FLAGS = ("-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi", "-fPIC")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_COMPILERS = ("c++", "g++", "clang++")
_COMPILE_SECONDS = 300


class Unavailable(Exception):
    """Thrown when the engine cannot be used here; the message says why in one line. The caller trains with torch."""


@dataclass(frozen=True)
class Variant:
    """One vector width: the floats in a vector, the instruction set level, and the CPU flags it stands for; `rounds` where
    the layers' dense products round their operands to bfloat16.
    """

    lanes: int
    march: str
    cpu_flags: tuple[str, ...]
    rounds: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        own = (f"-march={self.march}", f"-DAIRA_LANES={self.lanes}")
        return (*own, "-mavx512bf16", "-DAIRA_BF16=1") if self.rounds else own


VARIANTS = (
    Variant(16, "x86-64-v4", ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    Variant(8, "x86-64-v3", ("avx2", "bmi1", "bmi2", "fma", "movbe", "f16c")),
)
# Another arithmetic: never chosen by itself.
ROUNDING = Variant(16, "x86-64-v4", (*VARIANTS[0].cpu_flags, "avx512_bf16"), rounds=True)


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Instruction sets that processor and system offer; empty where that cannot be read."""
    return set(_cpuinfo_field("flags", cpuinfo).split())


def best_variant(flags: set[str], machine: str = platform.machine()) -> Variant:
    """The widest variant this machine runs; raises Unavailable when there is none."""
    if machine.lower() in ("x86_64", "amd64"):
        for variant in VARIANTS:
            if flags.issuperset(variant.cpu_flags):
                return variant
    raise Unavailable("the processor offers neither AVX-512 nor AVX2")


def rounding_variant(flags: set[str]) -> Variant:
    """The variant with bfloat16 products; raises Unavailable where the processor has no instruction for them."""
    if flags.issuperset(ROUNDING.cpu_flags):
        return ROUNDING
    raise Unavailable("the processor has no bfloat16 products (AVX-512 BF16)")


def find_compiler(environment: Mapping[str, str] = os.environ) -> str:
    """Path of a C++ compiler: $CXX, else the first of c++, g++, clang++ on the path. Raises Unavailable."""
    for name in (environment.get("CXX") or "", *_COMPILERS):
        found = name and shutil.which(name, path=environment.get("PATH", ""))
        if found:
            return found
    raise Unavailable("there is no C++ compiler (c++, g++ or clang++): install one, or set CXX")


def library(variant: Variant, sanitized: bool = False, cache: Path | None = None) -> Path:
    """Path of the compiled engine, compiled now if it is not in the cache. Raises Unavailable."""
    flags = [*FLAGS, *variant.flags, *(SANITIZERS if sanitized else ())]
    folder = (cache or _cache_folder()) / _key(flags)
    try:
        compiler = find_compiler()
    except Unavailable:
        left = sorted(folder.glob("*.so"))
        if left:
            return left[0]
        raise
    target = folder / f"{_hash(compiler, _run([compiler, '--version']))}.so"
    if not target.exists():
        _compile(compiler, flags, target)
    return target


def source_files(folder: Path = SOURCES) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".cpp", ".hpp"))


def _key(flags: Sequence[str]) -> str:
    sources = (f"{file.name}\0{file.read_text(encoding='utf-8')}" for file in source_files())
    return _hash(*sources, *flags, _cpuinfo_field("model name", Path("/proc/cpuinfo")))


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]


def _compile(compiler: str, flags: Sequence[str], target: Path) -> None:
    """Compile next to the target and rename, so that two processes at once and an interrupted one do no harm."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            unfinished = Path(folder) / "engine.so"
            _run([compiler, *flags, "-shared", str(SOURCES / "interface.cpp"), "-o", str(unfinished)])
            os.replace(unfinished, target)
    except OSError as error:
        raise Unavailable(f"the engine's cache folder {target.parent} cannot be written: {error}") from error


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[-200:])
        raise Unavailable(f"{command[0]} does not compile the engine: {said}")
    return done.stdout


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "aira" / "engine"
    except RuntimeError as error:
        raise Unavailable("there is no home folder to keep the compiled engine in: set XDG_CACHE_HOME") from error


def _cpuinfo_field(name: str, cpuinfo: Path) -> str:
    try:
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return ""
