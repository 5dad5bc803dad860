/** What a lab has, as text: `aira ls` (its searches), `aira nodes` (those of a search), `aira show` (one node). */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { mean } from 'd3-array';
import { shortCandidate } from '../../domain/candidate.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { nodeId, type SearchId } from '../../domain/ids.ts';
import { type Files, parseProgram } from '../../domain/program.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { fitnessOf, metricValue, rungs } from '../../domain/task.ts';
import { type EvaluationRecord, type NodeRecord, readArchive, statusOf } from '../../memory/index.ts';
import { jsonLine, makeFolder, printable } from '../../platform/index.ts';
import { resultsTsv } from '../../report/index.ts';
import { floorAbove } from '../../statistics/index.ts';
import { triedText } from '../../views/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, searchArgument, withOptions } from '../options.ts';
import { hiddenScores } from './report.ts';

const print = (line: string): boolean => process.stdout.write(`${line}\n`);

function ls({ home, json }: { home: string; json?: boolean }): number {
  const reader = readArchive(home);
  try {
    const rows = reader.searches.list().map(({ id, createdAt }) => {
      const { task, metric, lowerIsBetter } = reader.searches.spec(id);
      const status = reader.searchStatus.of(id);
      return {
        search: id,
        task,
        phase: status.phase,
        started: new Date(createdAt).toISOString(),
        seconds: Math.round(status.elapsedMs / 1000),
        evaluated: status.proposals.evaluated,
        metric,
        best: status.best ? metricValue(status.best.validation, lowerIsBetter) : null,
        rung: status.best?.rung ?? null,
        node: status.best?.node ?? null,
      };
    });
    if (json) {
      for (const row of rows) print(jsonLine(row));
      return exitCodes.ok;
    }
    const table = [
      ['search', 'task', 'phase', 'started (UTC)', 'minutes', 'evaluated', 'best', 'node'],
      ...rows.map((row) => [
        row.search,
        row.task,
        row.phase,
        row.started.slice(0, 16).replace('T', ' '),
        (row.seconds / 60).toFixed(1),
        String(row.evaluated),
        row.best === null ? '–' : `${row.best.toFixed(4)} ${row.metric} (${row.rung})`,
        row.node ?? '–',
      ]),
    ].map((cells) => cells.map((cell) => printable(cell, { width: 60 })));
    const widths = (table[0] ?? []).map((_, at) => Math.max(...table.map((cells) => (cells[at] ?? '').length)));
    for (const cells of table)
      print(
        cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd(),
      );
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function lsCommand(done: (code: number) => void): Command {
  const command = new Command('ls')
    .description('list the searches of the lab: task, phase, start, duration, best score')
    .action((options: { home: string; json?: boolean }) => done(ls(options)));
  return withOptions(command, homeOption(), jsonOption());
}

interface NodesOptions {
  home: string;
  json?: boolean;
  withTest?: boolean;
  resultsTsv?: boolean;
}

/** The mean of each floor over trainings. */
function meanFloors(all: readonly EvaluationRecord['floors'][]): Record<string, number> {
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(all, (floors) => floors[name] ?? 0) ?? 0]));
}

/** One node in `aira nodes --json`. Scripts rely on this format. */
function nodeLine(node: NodeRecord, { lowerIsBetter }: Pick<SearchSpec, 'lowerIsBetter'>) {
  const metric = (fitness: number | null) => (fitness === null ? null : metricValue(fitness, lowerIsBetter));
  const screen = node.evaluations.find(({ rung }) => rung === 'screen');
  const onRung = (rung: string) =>
    node.evaluations.flatMap((each) =>
      each.rung === rung && each.validation !== null ? [metric(each.validation)] : [],
    );
  const floors = rungs.flatMap((rung) => {
    const own = node.evaluations.filter((each) => each.rung === rung && Object.keys(each.floors).length > 0);
    return own.length === 0 ? [] : [[rung, meanFloors(own.map((each) => each.floors))] as const];
  });
  const attempts = (rung: string) => node.evaluations.filter((each) => each.rung === rung).map((each) => each.attempts);
  return {
    id: node.id,
    agent: node.agent,
    operator: node.origin,
    parents: node.parents,
    ...(node.candidate.startsWith('{') ? { program: node.candidate } : { architecture: node.candidate }),
    status: statusOf(node),
    reason: screen?.reason ?? null,
    /** In the task's metric, as are `confirm` and `final`. */
    validation: metric(screen?.validation ?? null),
    confirm: onRung('confirm'),
    final: onRung('final'),
    /** Per rung, what its rows yield without what the task asks for: a score below one of these shows nothing. */
    ...(floors.length > 0 ? { floors: Object.fromEntries(floors) } : {}),
    /** Training attempts per evaluation; above one after a worker was lost. */
    attempts: { screen: attempts('screen'), confirm: attempts('confirm'), final: attempts('final') },
    seconds: node.evaluations.reduce((sum, each) => sum + (each.seconds ?? 0), 0),
  };
}

/** ` below the floor of 0.438 (shortcut)` where the screening score does not exceed it. */
function belowFloor(node: NodeRecord, { lowerIsBetter }: Pick<SearchSpec, 'lowerIsBetter'>): string {
  const screen = node.evaluations.find(({ rung, validation }) => rung === 'screen' && validation !== null);
  if (!screen || screen.validation === null) return '';
  const floors = Object.entries(screen.floors).map(([name, value]) => ({
    name,
    scores: [{ seed: screen.seed, score: fitnessOf(value, lowerIsBetter) }],
  }));
  const above = floorAbove([{ seed: screen.seed, score: screen.validation }], floors);
  return above ? ` below the floor of ${metricValue(above.level, lowerIsBetter).toFixed(3)} (${above.name})` : '';
}

async function nodes(search: SearchId | undefined, options: NodesOptions): Promise<number> {
  const tests = search && options.withTest ? await hiddenScores(options.home, search, 'nodes --with-test') : null;
  const reader = readArchive(options.home);
  try {
    if (search === undefined) {
      for (const { id } of reader.searches.list()) {
        print(
          options.json
            ? jsonLine({ search: id, phase: reader.searches.phase(id) })
            : `${id}  ${reader.searches.phase(id)}`,
        );
      }
      return exitCodes.ok;
    }
    const spec = reader.searches.spec(search);
    if (options.resultsTsv) {
      process.stdout.write(resultsTsv(spec, reader.records.nodes(search)));
      return exitCodes.ok;
    }
    for (const node of reader.records.nodes(search)) {
      const line = nodeLine(node, spec);
      const test = tests
        ?.filter((each) => each.node === node.id)
        .map((each) => metricValue(each.score, spec.lowerIsBetter));
      if (options.json) print(jsonLine(test ? { ...line, test } : line));
      else {
        const score = line.validation === null ? '    –' : `${line.validation.toFixed(3)}${belowFloor(node, spec)}`;
        const hidden = test?.length ? `  test ${test.map((each) => each.toFixed(3)).join(' ')}` : '';
        print(
          `${line.id.padEnd(24)} ${line.operator.padEnd(10)} ${line.status.padEnd(9)} ${score}${hidden}  ${printable(node.candidate.startsWith('{') ? `${shortCandidate(node.candidate)}  ${node.rationale.change}` : shortCandidate(node.candidate), { width: 160 })}`,
        );
      }
    }
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function nodesCommand(done: (code: number) => void): Command {
  const command = new Command('nodes')
    .description('list the nodes of a search, or the searches of the lab')
    .addArgument(new Argument('[search]', 'the search').argParser(searchArgument))
    .action(async (search: SearchId | undefined, options: NodesOptions) => done(await nodes(search, options)));
  return withOptions(
    command,
    homeOption(),
    jsonOption(),
    option('--results-tsv', 'print results.tsv as in autoresearch (tasks scored in bits per byte)'),
    option('--with-test', 'add hidden test scores of a finished search; the access is recorded'),
  );
}

interface ShowOptions {
  home: string;
  json?: boolean;
  files?: string;
}

/** Labelled lines: a blank value is left out, a long one is wrapped by the terminal. */
function field(label: string, value: string | null | undefined): void {
  if (value) print(`${`${label}:`.padEnd(14)}${printable(value, { width: 2000 })}`);
}

const score = (value: number | null): string => (value === null ? '–' : value.toFixed(4));

function evaluationLine(each: EvaluationRecord, lowerIsBetter: boolean): string {
  const value = each.validation === null ? null : metricValue(each.validation, lowerIsBetter);
  const parts = [
    each.rung.padEnd(8),
    `seed ${each.seed}`.padEnd(11),
    (each.status === 'ok' ? score(value) : (each.reason ?? each.status)).padEnd(9),
    each.seconds === null ? '' : `${each.seconds.toFixed(1)} s`,
    each.params === null ? '' : `${each.params.toLocaleString('en')} parameters`,
    each.saved ? 'cached' : (each.worker ?? ''),
    each.unsafe ? 'without a sandbox' : '',
  ].filter((part) => part !== '');
  return `  ${printable(parts.join('  '))}`;
}

/** Writes the files of a program. @throws PrerequisiteError `files-exist` rather than replace one. */
function writeProgram(program: Files, folder: string): void {
  makeFolder(folder);
  const taken = Object.keys(program).find((name) => existsSync(join(folder, name)));
  if (taken) {
    throw new PrerequisiteError('files-exist', `${join(folder, taken)} exists already`, 'choose another folder');
  }
  for (const [name, text] of Object.entries(program)) {
    writeFileSync(join(folder, name), text, { flag: 'wx' });
    print(`wrote ${printable(join(folder, name))}`);
  }
}

function findNode(nodes: readonly NodeRecord[], id: string, search: SearchId): NodeRecord {
  const node = nodes.find((each) => each.id === id);
  if (node) return node;
  throw new PrerequisiteError(
    'unknown-node',
    `there is no node "${printable(id, { width: 60 })}" in search "${search}"`,
    `list its nodes with: aira nodes ${search}`,
  );
}

function show(search: SearchId, id: string, options: ShowOptions): number {
  const reader = readArchive(options.home);
  try {
    const { lowerIsBetter, metric } = reader.searches.spec(search);
    const nodes = reader.records.nodes(search);
    const node = findNode(nodes, id, search);
    const isProgram = node.candidate.startsWith('{');
    if (options.files !== undefined) {
      if (!isProgram) {
        throw new PrerequisiteError('no-files', `${node.id} is an architecture, without files`, 'leave out --files');
      }
      writeProgram(parseProgram(node.candidate), options.files);
      return exitCodes.ok;
    }
    const lesson = reader.records.lessons(search).find((each) => each.node === node.id)?.text;
    const children = nodes.filter(({ parents }) => parents.includes(node.id)).map((each) => each.id);
    if (options.json) {
      print(jsonLine({ ...node, status: statusOf(node), lesson: lesson ?? null, children }));
      return exitCodes.ok;
    }
    const { rationale } = node;
    const parents = node.parents.length > 0 ? ` of ${node.parents.join(' and ')}` : '';
    print(`${node.id}  ${node.origin}${parents}  ${statusOf(node)}`);
    if (isProgram) {
      const sizes = Object.entries(parseProgram(node.candidate)).map(
        ([name, text]) => `${name} (${text.split('\n').length} lines)`,
      );
      field('program', sizes.join(', '));
    } else {
      field('architecture', node.candidate);
      field('pattern', shortCandidate(node.candidate));
    }
    field('choice', rationale.choice);
    if (rationale.thought) {
      const { first, place, of } = rationale.thought;
      field('thought', `candidate ${place} of ${of} of the thought of ${nodeId(node.agent, first)}`);
    }
    field('change', rationale.change);
    field('hypothesis', rationale.hypothesis);
    if (rationale.expected !== null) {
      field('expected', `${score(metricValue(rationale.expected, lowerIsBetter))} ${metric}`);
    }
    for (const text of triedText({ tried: rationale.tried ?? [] })) field('tried', text);
    field('message', node.message);
    if (node.evaluations.length > 0) print(`evaluations (${printable(metric)}):`);
    for (const each of node.evaluations) {
      print(evaluationLine(each, lowerIsBetter));
      if (each.message) print(`    ${printable(each.message, { width: 2000 })}`);
    }
    field('lesson', lesson);
    field('evidence', rationale.evidence.join(', '));
    for (const { how, query, found, failed } of rationale.readings ?? []) {
      field(how, `${query} → ${failed ?? (found.join(', ') || 'nothing')}`);
    }
    field('children', children.join(', '));
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function showCommand(done: (code: number) => void): Command {
  const command = new Command('show')
    .description('print a node: candidate, reasons, evaluations, what was read')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .argument('<node>', 'the node')
    .action((search: SearchId, node: string, options: ShowOptions) => done(show(search, node, options)));
  return withOptions(
    command,
    homeOption(),
    option('--files <dir>', 'write the files of its program there').argParser(pathArgument),
    jsonOption(),
  );
}
