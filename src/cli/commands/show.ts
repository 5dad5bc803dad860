import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { shortCandidate } from '../../domain/candidate.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { nodeId, type SearchId } from '../../domain/ids.ts';
import { type Files, parseProgram } from '../../domain/program.ts';
import { metricValue } from '../../domain/task.ts';
import { type EvaluationRecord, type NodeRecord, readArchive, statusOf } from '../../memory/index.ts';
import { jsonLine, makeFolder, printable } from '../../platform/index.ts';
import { triedText } from '../../views/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, searchArgument, withOptions } from '../options.ts';

interface ShowOptions {
  home: string;
  json?: boolean;
  files?: string;
}

export const print = (line: string): boolean => process.stdout.write(`${line}\n`);

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

function ls({ home, json }: ShowOptions): number {
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
    .action((options: ShowOptions) => done(ls(options)));
  return withOptions(command, homeOption(), jsonOption());
}
