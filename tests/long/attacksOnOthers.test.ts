/**
 * Attacks on the scoring of tasks by others, and for each defence the proof that it is needed: with that one line of the
 * package left out, the same program gets through. `npm run attack` runs it beside the attacks on the sandbox.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { versionFor } from '../../src/evaluators/index.ts';
import { ProgramEvaluator } from '../../src/evaluators/programs/programEvaluator.ts';
import { findPython } from '../../src/platform/installation.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { importSeries, importWords, syntheticTask, wordsTask } from '../airs/series.ts';
import { key } from '../evaluators/support/jobs.ts';

interface OthersAttack {
  readonly name: string;
  readonly task: 'words' | 'series';
  readonly program: string;
  /** Whether an outcome shows that it got through. */
  readonly through: (outcome: Outcome) => boolean;
  /** The defence: a file of `aira_tasks` and the text that a laboratory without it has instead. */
  readonly defence: readonly [file: string, line: string, instead: string];
}

const read = (file: string, name: string) => `
import csv, json
csv.field_size_limit(2**31)
with open("data/test/${file}", newline="", encoding="utf-8") as stream:
    rows = [row["${name}"] for row in csv.DictReader(stream)]
`;
const forecasts = `${read('rows.csv', 'target')}
last = [json.dumps([json.loads(row)[-1]] * 5) for row in rows]
kept = [cell if place == 0 else "[NaN, NaN, NaN, NaN, NaN]" for place, cell in enumerate(last)]
with open("submission.csv", "w", newline="") as stream:
    writer = csv.writer(stream)
`;
const scored = (outcome: Outcome) => outcome.status === 'ok';

const attacks: readonly OthersAttack[] = [
  {
    name: 'answers by the place of a row in a sorted file',
    task: 'words',
    program: `${read('questions.csv', 'text')}
words = ["NA", "nan", "null", "yes", "no"]
with open("submission.csv", "w", newline="") as stream:
    csv.writer(stream).writerows([["answer"], *[[words[5 * place // len(rows)]] for place in range(len(rows))]])
`,
    through: (outcome) => outcome.status === 'ok' && (outcome.test ?? 0) > 0.9,
    defence: ['roworder.py', '.permutation(rows).tolist()', ' and list(range(rows))'],
  },
  {
    name: 'leaves the hard rows out as NaN',
    task: 'series',
    program: `${forecasts}    writer.writerows([["label_target"], *[[cell] for cell in kept]])\n`,
    through: scored,
    defence: ['chain.py', 'require_numbers(content,', '(lambda *_: None)(content,'],
  },
  {
    name: 'shows the check one column and the evaluator another of the same name',
    task: 'series',
    program: `${forecasts}    writer.writerows([["label_target"] * 2, *zip(last, kept)])\n`,
    through: scored,
    defence: ['submission.py', '        _require_plain_header(header)\n', ''],
  },
];

const honest: readonly Submission[] = [
  {
    task: 'words',
    program: `${read('questions.csv', 'text')}
with open("submission.csv", "w", newline="") as stream:
    csv.writer(stream).writerows([["answer"], *[["yes"] for _ in rows]])
`,
  },
  {
    task: 'series',
    program: `${forecasts}    writer.writerows([["label_target"], *[[cell] for cell in last]])\n`,
  },
];

let root: string;
let python: string;
const directories = new Map<OthersAttack['task'], string>();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-others-'));
  python = await findPython();
  await importSeries(join(root, 'data'));
  await importWords(join(root, 'data'));
  for (const [name, source] of [['words', wordsTask] as const, ['series', syntheticTask] as const]) {
    directories.set(name, join(root, basename(source)));
    cpSync(source, join(root, basename(source)), { recursive: true });
  }
  // As some of the published evaluators do, it leaves rows out that are not numbers.
  const scorer = join(directories.get('series') ?? '', 'evaluate.py');
  const strict = readFileSync(scorer, 'utf8');
  const lenient = strict
    .replace('if not np.isfinite(forecasts).all()', 'if False')
    .replace('np.abs(forecasts - labels).mean()', 'np.nanmean(np.abs(forecasts - labels))');
  writeFileSync(scorer, lenient);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let runs = 0;

type Submission = Pick<OthersAttack, 'task' | 'program'>;

/** The outcome of a program, in a laboratory without one of its defences if one is given. */
async function judge({ task: name, program }: Submission, without?: OthersAttack['defence']): Promise<Outcome> {
  runs += 1;
  const folder = join(root, `package-${runs}`);
  for (const part of ['aira_tasks', 'aira_design'])
    cpSync(join('gpu-workers', part), join(folder, part), { recursive: true });
  if (without !== undefined) {
    const [file, line, instead] = without;
    const path = join(folder, 'aira_tasks', file);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain(line);
    writeFileSync(path, text.replace(line, instead));
  }
  const directory = directories.get(name) ?? '';
  const task = loadTask(directory, []);
  // As a worker fills it in: a job names the directory, and never its place.
  const settings = { ...profileOf(task, 'nano').rungs.screen.settings, task: directory };
  const evaluator = new ProgramEvaluator({
    ...{ device: { name: 'cpu', memoryLimitBytes: 4 * 2 ** 30 }, python, data: join(root, 'data'), unsafe: true },
    ...{ log: pino({ level: 'silent' }), design: { folder, packages: ['aira_tasks'], module: 'aira_tasks' } },
    env: { ...process.env, XDG_CACHE_HOME: join(root, `cache-${runs}`) },
  });
  let outcome: Outcome | undefined;
  const job: Job = {
    ...{ key: key(`others-${runs}`), task: task.name, taskVersion: '0', evaluator: versionFor('program', 'cpu') },
    ...{ deviceClass: 'cpu', rung: 'screen', space: task.space, settings, lowerIsBetter: task.lowerIsBetter },
    ...{
      candidate: { kind: 'program', files: { 'solution.py': program } },
      seed: 5,
      measure: 'test',
      timeoutSeconds: 120,
    },
  };
  await evaluator.evaluate([job], {
    onOutcome: (_, ended) => {
      outcome = ended;
    },
  });
  await evaluator.stop();
  if (outcome === undefined) throw new Error('no outcome');
  return outcome;
}

// Without it an attack would count as contained where nothing at all is scored.
describe('an honest program', () => {
  it.each(honest.map((each) => [each.task, each] as const))('is scored: %s', async (_, submission) => {
    const outcome = await judge(submission);
    expect(scored(outcome), JSON.stringify(outcome)).toBe(true);
  });
});

describe('an attack on the scoring of tasks by others', () => {
  it.each(attacks.map((attack) => [attack.name, attack] as const))('is contained: %s', async (_, attack) => {
    const outcome = await judge(attack);
    expect(attack.through(outcome), JSON.stringify(outcome)).toBe(false);
  });

  it.each(attacks.map((attack) => [attack.name, attack] as const))(
    'gets through without its defence: %s',
    async (_, attack) => {
      const outcome = await judge(attack, attack.defence);
      expect(attack.through(outcome), JSON.stringify(outcome)).toBe(true);
    },
  );
});
