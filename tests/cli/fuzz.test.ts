/**
 * Whatever is given to Aira as a file or as arguments, it answers with status 0 or 2 and a short text without a stack.
 * AIRA_FUZZ_RUNS sets how many inputs of each kind are tried.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { readAirsMetadata } from '../../src/tasks/airs/task.ts';
import { loadTask } from '../../src/tasks/catalogue.ts';
import { cli, type Said } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';

const runs = Number(process.env.AIRA_FUZZ_RUNS ?? 100);
const bounds = { numRuns: runs, seed: 1 };

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('', ' ', '../../x', '/etc/x', '\u001b[2J', 'a\0b', '\u202e', '\ud800', 'x'.repeat(5000), '__proto__'),
  fc.constantFrom('local/random', 'greedy', 'constructor', 'toString', 'NaN', '1e999', '0x10', 'bandit/[', '<<', '*a'),
);
const oddNumber = fc.constantFrom(-1, 0, 0.5, 1, 2 ** 31, 2 ** 53, 1e300, Number.NaN, Number.POSITIVE_INFINITY, -0);
const oddValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    oddNumber,
    oddText,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(oddText, tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** A value of the original at some place is replaced, removed, or joined by another key. */
function altered(original: object): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), oddValue, oddText, fc.nat({ max: 2 }))
    .map(([path, value, key, how]) => {
      const copy = structuredClone(original) as Record<string, unknown>;
      let at: Record<string, unknown> = copy;
      for (const [index, step] of path.entries()) {
        const keys = Object.keys(at);
        const name = keys[step % Math.max(1, keys.length)];
        if (name === undefined) break;
        const next = at[name];
        if (index < path.length - 1 && typeof next === 'object' && next !== null) at = next as typeof at;
        else if (how === 0) at[name] = value;
        else if (how === 1) delete at[name];
        else if (!Array.isArray(at)) Object.defineProperty(at, key, { value, enumerable: true, configurable: true });
      }
      return copy;
    });
}

/** As YAML, or as bytes that are hardly any. */
const fileOf = (original: object): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: altered(original).map((value) => stringify(value, { aliasDuplicateObjects: false })) },
    { weight: 1, arbitrary: oddValue.map((value) => stringify(value)) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
    {
      weight: 1,
      arbitrary: fc
        .array(
          fc.constantFrom(
            '- ',
            '[',
            '{',
            '}',
            ']',
            ': ',
            '? ',
            '&a ',
            '*a',
            '!!str ',
            '|\n',
            '>-\n',
            '\n',
            '"',
            '%',
            '---\n',
            'a',
          ),
          { maxLength: 60 },
        )
        .map((parts) => parts.join('')),
    },
  );

function expectHarmless({ code, stdout, stderr }: Said): void {
  expect([0, 2], stderr).toContain(code);
  expect(stderr).not.toMatch(/\n\s+at .*:\d+:\d+|unexpected error|node_modules/);
  expect(stderr.length).toBeLessThan(5000);
  expect(stdout.length).toBeLessThan(20_000);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  expect(stderr + stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  if (code === 2) expect(stderr.trim()).not.toBe('');
}

const search = {
  task: 'compose-mad-3p',
  profile: 'nano',
  seed: 1,
  budget: { evaluations: 4, minutes: 2, dollars: 1 },
  agents: [
    { name: 'a', model: 'local/random', scaffold: 'one-shot' },
    { name: 'b', model: 'bandit/[local/random, local/mutate]', scaffold: { kind: 'greedy', drafts: 2 }, pending: 2 },
  ],
  ladder: { promote: 0.2, finalists: 1 },
  references: [{ name: 'odd', architecture: '8mA+8M' }],
  workers: 0,
};
const study = {
  question: 'What?',
  tasks: [{ table: 'nowhere' }],
  seeds: 2,
  budget: { evaluations: 4 },
  agents: [{ name: 'a', model: 'local/random', scaffold: 'greedy' }],
  arms: [{ name: 'one' }, { name: 'two', set: { pending: 1 } }],
};
const metadata = {
  metric_lower_is_better: false,
  logging_info: { name: 'given', metric: 'Accuracy', dataset: 'x', shape: '(10,)', input_columns: ['a'], sota: [] },
  compose: { layers: 4, primitives: ['M', 'mA'] },
  profiles: { nano: { rungs: { screen: { seconds: 1, settings: { steps: 1 } } } } },
  file_export_globs: ['submission.csv'],
  container_python_requirements: ['datasets==4.0.0'],
};

describe('no stack, no status 1, no long answer, whatever is in', () => {
  it('a search file', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'given.yaml');
    // Never complete: what a whole file plans takes a look at the machine, and is tested elsewhere.
    const incomplete = { ...search, task: 'nowhere-at-all' };
    await fc.assert(
      fc.asyncProperty(fileOf(incomplete), async (text) => {
        writeFileSync(file, text);
        expectHarmless(await cli(['launch', file, '--dry-run', '--home', join(folder, 'home')], { NO_COLOR: '1' }));
      }),
      bounds,
    );
  });

  it('a study file', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'given.yaml');
    await fc.assert(
      fc.asyncProperty(fileOf(study), async (text) => {
        writeFileSync(file, text);
        expectHarmless(await cli(['ablate', file, '--dry-run', '--home', join(folder, 'home')], { NO_COLOR: '1' }));
      }),
      bounds,
    );
  });

  it('the metadata of a task', () => {
    const folder = join(temporaryFolder(), 'given');
    mkdirSync(folder);
    writeFileSync(join(folder, 'project_description.md'), 'A task.\n');
    fc.assert(
      fc.property(fileOf(metadata), (text) => {
        writeFileSync(join(folder, 'metadata.yaml'), text);
        try {
          loadTask(folder);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(PrerequisiteError);
          expect((thrown as Error).message.length).toBeLessThan(3000);
        }
        const read = readAirsMetadata(folder);
        if ('problems' in read) expect(read.problems.join('').length).toBeLessThan(3000);
      }),
      bounds,
    );
  });

  it('a command line', async () => {
    const folder = temporaryFolder();
    const word = fc.oneof(
      oddText,
      fc.constantFrom(
        'launch',
        'nodes',
        'report',
        'trace',
        'audit',
        'ablate',
        'scale',
        'table',
        'show',
        'data',
        'list',
        'import',
      ),
      fc.constantFrom(
        '--home',
        '--json',
        '--name',
        '--resume',
        '--seeds',
        '--workers',
        '--port',
        '--with-test',
        '--html',
      ),
      fc.constantFrom(
        '--attribute',
        '--against',
        '--without',
        '--prices',
        '--replay',
        '--offline',
        '--unsafe',
        '-x',
        '--',
      ),
      fc.constantFrom('quickstart-1', folder, join(folder, 'none.yaml'), '1', '-1', '1e3', 'NaN', '9'.repeat(400)),
    );
    // Nothing here names a file that is there: no command line gets as far as starting a lab.
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (args) => {
        expectHarmless(await cli(args, { NO_COLOR: '1', AIRA_HOME: join(folder, 'home') }));
      }),
      { ...bounds, numRuns: 3 * runs },
    );
  });
});
