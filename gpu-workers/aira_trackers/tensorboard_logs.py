"""Event files for TensorBoard: DIR/<search>/{best, agents/<agent>, nodes/<node>}. The step is the attempt, or a training's own step.

Show them with: tensorboard --logdir DIR
"""

import re
from pathlib import Path

from tensorboard import version
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from .rows import Tables, Taken, curve, figures, scored


def _folder_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name) is None:
        raise ValueError(f"{name!r} cannot be the name of a folder")
    return name


def _scalar(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def _text(tag: str, text: str) -> Summary.Value:
    """Text as an indented block: TensorBoard takes text for Markdown."""
    block = "\n".join(f"    {line}" for line in text.splitlines())
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, string_val=[block.encode()], tensor_shape=shape)
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text", content=b""))
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


class _Runs:
    """One event file a run, open until all is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._writers: dict[str, EventFileWriter] = {}

    def add(self, run: str, values: list[Summary.Value], step: int, at_ms: int) -> None:
        if run not in self._writers:
            self._writers[run] = EventFileWriter(str(self._root / run), max_queue_size=100)
        self._writers[run].add_event(Event(wall_time=at_ms / 1000, step=step, summary=Summary(value=values)))

    def finish(self, run: str) -> None:
        self._writers.pop(run).close()

    def close(self) -> None:
        for run in list(self._writers):
            self.finish(run)


def write(tables: Tables, out: Path) -> dict:
    """Write the runs. Raises Taken if the folder has this search."""
    root = out / _folder_name(tables.name)
    if root.exists():
        raise Taken(f"the folder {tables.name}")
    runs = _Runs(root)
    names: set[str] = set()
    metric = tables.metric
    for step, (node, score, best, at) in enumerate(scored(tables), 1):
        runs.add("best", [_scalar(metric, best)], step, at)
        agent = f"agents/{_folder_name(node['agent'])}"
        runs.add(agent, [_scalar(metric, score), _text("candidate", node["candidate"])], node["attempt"], at)
        own = f"nodes/{_folder_name(node['node'])}"
        runs.add(own, [_scalar(name, value) for name, value in figures(tables, node["node"]).items()], 0, at)
        for at_step, value in curve(tables, node["node"]):
            runs.add(own, [_scalar("curve", value)], at_step, at)
        # Each writer is a thread: only those of agents stay open.
        runs.finish(own)
        names |= {"best", agent, own}
    runs.close()
    return {"version": version.VERSION, "runs": len(names)}
