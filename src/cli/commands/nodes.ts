import { Argument, Command } from 'commander';
import { mean } from 'd3-array';
import { shortCandidate } from '../../domain/candidate.ts';
import type { SearchId } from '../../domain/ids.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { fitnessOf, metricValue, rungs } from '../../domain/task.ts';
import { type EvaluationRecord, type NodeRecord, readArchive, statusOf } from '../../memory/index.ts';
import { jsonLine, printable } from '../../platform/index.ts';
import { resultsTsv } from '../../report/index.ts';
import { floorAbove } from '../../statistics/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, searchArgument, withOptions } from '../options.ts';
import { hiddenScores } from '../writeReport.ts';
import { print } from './show.ts';

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
