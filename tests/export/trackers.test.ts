/** Runs of experiment trackers, read back by the trackers' own libraries. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Tracker, writeRuns } from '../../src/export/index.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { cli } from '../support/cli.ts';
import { hostile, smallLab } from '../support/exported.ts';
import { temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';

const python = process.env.AIRA_TRACKERS_PYTHON ?? 'python3';
const has = (library: string) => spawnSync(python, ['-c', `import ${library}`]).status === 0;
const search = searchSpec({}).id;

async function written(home: string, tracker: Tracker, folder: string) {
  const reader = readArchive(home);
  try {
    return await writeRuns(reader, search, { tracker, folder, tests: [], python });
  } finally {
    reader.close();
  }
}

/** What a script of Python prints as its last line, read as JSON. */
function read(script: string, folder: string): unknown {
  const { stdout, stderr, status } = spawnSync(python, ['-c', script, folder], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

const readMlflow = `
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=f"sqlite:///{sys.argv[1]}/mlflow.db")
experiment = client.get_experiment_by_name("trial-1")
runs = sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.run_name)
print(json.dumps([[run.info.run_name, run.info.status, run.data.metrics, run.data.params.get("candidate"),
  run.data.tags.get("aira.choice"), run.data.tags.get("mlflow.parentRunId"),
  [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, "screen/curve")]] for run in runs]))`;

/** The library writes its records in the format of LevelDB's log, and has no reader of its own: blocks are joined here. */
const readWandb = `
import glob, json, sys
from wandb.proto import wandb_internal_pb2 as pb
[path] = glob.glob(f"{sys.argv[1]}/wandb/offline-run-*/run-*.wandb")
data = open(path, "rb").read()
assert data[:4] == b":W&B", data[:8]
records, part, at = [], b"", 7
while at + 7 <= len(data):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
    part, at = part + data[at + 7 : at + 7 + size], at + 7 + size
    if kind in (1, 4):
        records.append(pb.Record.FromString(part))
        part = b""
history, config = [], {}
for record in records:
    if record.HasField("history"):
        history.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item})
    if record.HasField("run"):
        config.update({item.key: json.loads(item.value_json) for item in record.run.config.update})
tables = [json.load(open(path)) for path in glob.glob(f"{sys.argv[1]}/wandb/offline-run-*/files/media/table/*.table.json")]
print(json.dumps([history, config, tables, records[-1].WhichOneof("record_type")]))`;

const readTensorboard = `
import json, sys
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
runs = EventMultiplexer().AddRunsFromDirectory(sys.argv[1]); runs.Reload()
value = lambda event: event.tensor_proto.float_val[0] if hasattr(event, "tensor_proto") else event.value
def series(run, tag):
    tags = runs.Runs()[run]
    return [[e.step, e.value] for e in runs.Scalars(run, tag)] if tag in tags["scalars"] else [[e.step, e.tensor_proto.string_val[0].decode()] for e in runs.Tensors(run, tag)]
print(json.dumps([sorted(runs.Runs()), series("trial-1/best", "accuracy"), series("trial-1/agents/ada", "candidate"), series("trial-1/nodes/ada-1", "curve")]))`;

describe('runs of trackers, read by their libraries', () => {
  it('an MLflow store has an experiment with a run for the search and one per node', {
    timeout: 180_000,
  }, async ({ skip }) => {
    if (!has('mlflow')) skip('needs a Python with mlflow: set AIRA_TRACKERS_PYTHON');
    const folder = join(temporaryFolder(), 'it’s 50% off');
    expect(await written(smallLab(), 'mlflow', folder)).toMatchObject({ tracker: 'mlflow', runs: 4 });
    const [ada, failed, rejected, whole] = read(readMlflow, folder) as unknown[][];
    expect(ada?.slice(0, 2)).toEqual(['ada-1', 'FINISHED']);
    expect(ada?.[2]).toMatchObject({ 'screen/accuracy': 0.5, 'screen/tasks/recall': 0.5, 'screen/curve': -0.75 });
    expect(ada?.slice(3)).toEqual(['M mA Mb M', hostile, expect.any(String), [[10, -0.75]]]);
    expect([failed?.[0], failed?.[1], failed?.[2]]).toEqual([
      'ada-2',
      'FAILED',
      expect.not.objectContaining({ 'screen/accuracy': expect.anything() }),
    ]);
    expect([rejected?.[0], rejected?.[3]]).toEqual(['ada-3', 'nonsense']);
    expect([whole?.[0], whole?.[2]]).toEqual(['trial-1', { 'best/accuracy': 0.5 }]);
    await expect(written(smallLab(), 'mlflow', folder)).rejects.toMatchObject({ code: 'tracker-taken' });
  });

  it('an offline directory of W&B has the history and the tables, and nothing is sent', {
    timeout: 180_000,
  }, async ({ skip }) => {
    if (!has('wandb')) skip('needs a Python with wandb: set AIRA_TRACKERS_PYTHON');
    const folder = join(temporaryFolder(), 'runs');
    expect(await written(smallLab(), 'wandb', folder)).toMatchObject({ tracker: 'wandb', runs: 1 });
    const [history, config, tables] = read(readWandb, folder) as [
      Record<string, unknown>[],
      Record<string, unknown>,
      { columns: string[]; data: unknown[][] }[],
    ];
    expect(history[0]).toMatchObject({ accuracy: 0.5, 'best/accuracy': 0.5, 'agents/ada/accuracy': 0.5 });
    expect(config).toMatchObject({ task: 'toy', seed: 1, spec: { id: 'trial-1' } });
    const nodes = tables.find(({ columns }) => columns.includes('choice'));
    expect(nodes?.data.map((row) => row[nodes.columns.indexOf('status')])).toEqual(['evaluated', 'failed', 'rejected']);
    expect(nodes?.data[0]?.[nodes.columns.indexOf('choice')]).toBe(hostile);
    expect(readdirSync(folder)).toEqual(['wandb']);
    await expect(written(smallLab(), 'wandb', folder)).rejects.toMatchObject({ code: 'tracker-taken' });
  });

  it('event files of TensorBoard have the best, each agent and each curve', {
    timeout: 180_000,
  }, async ({ skip }) => {
    if (!has('tensorboard')) skip('needs a Python with tensorboard: set AIRA_TRACKERS_PYTHON');
    const folder = join(temporaryFolder(), 'logs');
    expect(await written(smallLab(), 'tensorboard', folder)).toMatchObject({ tracker: 'tensorboard', runs: 3 });
    expect(read(readTensorboard, folder)).toEqual([
      ['trial-1/agents/ada', 'trial-1/best', 'trial-1/nodes/ada-1'],
      [[1, 0.5]],
      [[1, '    M mA Mb M']],
      [[10, -0.75]],
    ]);
    await expect(written(smallLab(), 'tensorboard', folder)).rejects.toMatchObject({ code: 'tracker-taken' });
  });
});

describe('aira export --to', () => {
  /** A Python that finds none of the libraries. */
  function bare(): string {
    const path = join(temporaryFolder(), 'python3');
    writeFileSync(path, '#!/bin/sh\nexec /usr/bin/python3 -I -S "$@"\n', { mode: 0o755 });
    return path;
  }

  it('names the library that is missing and how to install it, in one sentence', async () => {
    const folder = temporaryFolder();
    const { code, stderr } = await cli(
      ['export', search, '--to', 'wandb', '--out', join(folder, 'out'), '--home', smallLab()],
      {
        AIRA_PYTHON: bare(),
      },
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/^aira: .* lacks wandb\n {2}remedy: install it with: \S+\/python3 -m pip install wandb\n$/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('needs a search, and is not a format', async () => {
    const home = smallLab();
    mkdirSync(join(home, 'x'));
    for (const [args, expected] of [
      [['mA+M', '--to', 'wandb', '--out', 'x'], 'runs are of a search'],
      [[search, '--to', 'wandb', '--format', 'csv'], '--to and --format'],
    ] as const) {
      const { code, stderr } = await cli(['export', ...args, '--home', home]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(expected)]);
    }
  });
});
