/** Scaffolds of the user: what is accepted, what is refused in which sentence, and that only named files of known folders run. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OwnScaffolds, scaffoldFiles, scaffoldFolders, think } from '../../src/agents/index.ts';
import { mutateModel } from '../../src/agents/models/mutate.ts';
import { boundScaffold, scaffoldTools } from '../../src/agents/scaffolds/own.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { rngFor } from '../../src/domain/rng.ts';
import {
  type OwnScaffoldEntry,
  type OwnScaffoldSpec,
  scaffoldLabel,
  scaffoldSchema,
  scaffoldSpecSchema,
} from '../../src/domain/scaffold.ts';
import { readTable } from '../../src/evaluators/index.ts';
import { packageRoot } from '../../src/platform/index.ts';
import { runTabulated, studySchema } from '../../src/studies/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { agentSpec } from '../support/specs.ts';
import { plantedTable } from '../support/table.ts';
import { space16, topic, viewNode, viewOf } from './support.ts';

const epsilon = readFileSync(join(packageRoot, 'templates/workspace/scaffolds/epsilon.mjs'), 'utf8');

/** A folder with one scaffold in it. */
function folderWith(text: string, file = 'mine.mjs'): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, file), text);
  return folder;
}

const entryOf = (given: unknown): OwnScaffoldEntry => scaffoldSchema.parse(given) as OwnScaffoldEntry;

async function planned(folder: string, given: unknown = 'mine'): Promise<OwnScaffoldSpec> {
  const entry = entryOf(given);
  const spec = (await new OwnScaffolds([folder]).plan([entry]))(entry);
  return scaffoldSpecSchema.parse(spec) as OwnScaffoldSpec;
}

async function refusal(text: string, given: unknown = 'mine'): Promise<string> {
  const thrown = await planned(folderWith(text), given).then(
    () => 'nothing was refused',
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(PrerequisiteError);
  const { message, remedy } = thrown as PrerequisiteError;
  expect(message).not.toMatch(/data:|\n/);
  return `${message}; ${remedy}`;
}

const drafting = `export const decide = (view, rng, { tools }) => tools.draft('a draft');`;
/** A module whose decision is this expression. */
const deciding = (expression: string) => `export function decide(view, rng, { settings, tools }) { ${expression} }`;

describe('in a search file', () => {
  it('a name that no policy has is a scaffold of the user, and settings need the long form', () => {
    expect(scaffoldSchema.parse('mine')).toEqual({ kind: 'own', name: 'mine' });
    expect(scaffoldSchema.parse('greedy')).toMatchObject({ kind: 'greedy', drafts: 5 });
    const long = { kind: 'own', name: 'mine', settings: { heat: 0.5, on: true, mode: 'x' } };
    expect(scaffoldSchema.parse(long)).toEqual(long);
  });

  it.each(['../mine', 'a/b', '/etc/x', 'mine.mjs', 'Mine', 'own', '', 'x'.repeat(33)])(
    'a name is never a path, nor one that is taken: %s',
    (name) => {
      expect(scaffoldSchema.safeParse(name).success).toBe(false);
      expect(scaffoldSchema.safeParse({ kind: 'own', name }).success).toBe(false);
      expect(scaffoldSpecSchema.safeParse({ kind: 'own', name, sha256: 'a'.repeat(64), settings: {} }).success).toBe(
        false,
      );
    },
  );

  it.each(['greedy', 'aira-evo', 'outside'])('a file cannot have the name of a policy: %s', (name) => {
    expect(scaffoldSchema.safeParse({ kind: 'own', name }).success).toBe(false);
  });
});

describe('what is recorded', () => {
  it('is the digest of the file and all settings', async () => {
    const folder = folderWith(epsilon, 'epsilon.mjs');
    const spec = await planned(folder, { kind: 'own', name: 'epsilon', settings: { epsilon: 0.4 } });
    const sha256 = createHash('sha256').update(epsilon).digest('hex');
    expect(spec).toEqual({ kind: 'own', name: 'epsilon', sha256, settings: { epsilon: 0.4, drafts: 3 } });
    expect(scaffoldLabel(spec)).toBe(`epsilon@${sha256.slice(0, 12)}`);
  });

  it('binds: another byte in the file is refused in one sentence', async () => {
    const folder = folderWith(drafting);
    const spec = await planned(folder);
    writeFileSync(join(folder, 'mine.mjs'), `${drafting}\n`);
    await expect(new OwnScaffolds([folder]).open(spec)).rejects.toMatchObject({
      code: 'scaffold-changed',
      message: expect.stringMatching(
        /^the scaffold "mine" has changed since the search started \([0-9a-f]{12}, now [0-9a-f]{12}\)$/,
      ),
    });
  });

  it('binds before a line of another file runs', async () => {
    const folder = folderWith(drafting);
    const spec = await planned(folder);
    const trace = join(folder, 'ran');
    const traced = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(trace)}, ''); ${drafting}`;
    writeFileSync(join(folder, 'mine.mjs'), traced);
    await expect(new OwnScaffolds([folder]).open(spec)).rejects.toMatchObject({ code: 'scaffold-changed' });
    expect(existsSync(trace)).toBe(false);
    // The trace shows what runs.
    await planned(folder);
    expect(existsSync(trace)).toBe(true);
  });
});

describe('the shipped example', () => {
  it('repairs its failures, improves the best, and reads its settings', async () => {
    const folder = folderWith(epsilon, 'epsilon.mjs');
    const never = await planned(folder, { kind: 'own', name: 'epsilon', settings: { epsilon: 0 } });
    const decide = await new OwnScaffolds([folder]).open(never);
    const scored = [1, 2, 3].map((ordinal) => viewNode(ordinal, { fitness: ordinal / 10 }));
    expect(decide(viewOf([]), rngFor(1))).toMatchObject({ operator: 'draft', reason: 'draft 1 of 3' });
    const broken = viewNode(4, { status: 'failed' });
    expect(decide(viewOf([...scored, broken]), rngFor(1))).toMatchObject({ operator: 'debug', parents: ['walker-4'] });
    const operators = Array.from({ length: 40 }, (_, seed) => decide(viewOf(scored), rngFor(seed)));
    expect(new Set(operators.map(({ operator }) => operator))).toEqual(new Set(['improve', 'crossover']));
    for (const { parents } of operators) expect(parents[0]).toBe('walker-3');
    const always = await planned(folder, { kind: 'own', name: 'epsilon', settings: { epsilon: 1 } });
    expect((await new OwnScaffolds([folder]).open(always))(viewOf(scored), rngFor(1)).operator).toBe('draft');
  });
});

describe('validation before a search', () => {
  it.each<[string, string, RegExp]>([
    [
      'no function',
      'export const settings = {};',
      /exports of .*mine\.mjs: decide: must be a function.*; export a function/,
    ],
    ['another export', `${drafting} export const extra = 1;`, /unknown key "extra"/],
    ['a mistake of syntax', 'export const decide = ;', /cannot load .*mine\.mjs: .*; node --check .* shows where/],
    ['a failure on load', 'throw new Error("no policy yet")', /cannot load .*: no policy yet/],
    [
      'an import of another file',
      `import x from './other.mjs'; ${drafting}`,
      /it imports "\.\/other\.mjs", but a scaffold is one file/,
    ],
    ['an import of a package', `import x from 'zod'; ${drafting}`, /it imports "zod", but a scaffold is one file/],
    [
      'an import by an absolute address',
      `import * as x from '${import.meta.url}'; ${drafting}`,
      /it imports "file:\/\/\/.*", but a scaffold is one file/,
    ],
    [
      'an import whose name is computed',
      `const x = await import(['node', 'fs'].join(':')); ${drafting}`,
      /it imports a module whose name it computes, but a scaffold is one file/,
    ],
    [
      'a text that is no module',
      `${drafting} const open = \`;`,
      /cannot load .*: it is not a module; node --check .* shows where/,
    ],
    ['a setting that is none', `export const settings = { list: [1] }; ${drafting}`, /the settings of .*list/],
    [
      'a failure on an empty view',
      deciding('return tools.improve(view.nodes[0], "x");'),
      /the scaffold mine.*, line 1: .* \(on an empty view\)/,
    ],
    [
      'no decision on an empty view',
      deciding('if (view.nodes.length > 0) return tools.draft("x");'),
      /mine decided what cannot be: .* \(on an empty view\)/,
    ],
    [
      'a promise',
      'export async function decide() { throw new Error("late"); }',
      /decided what cannot be: a promise; decide must not be async/,
    ],
    [
      'an operator that there is not',
      deciding('return { operator: "mutate", parents: [], reason: "x" };'),
      /decided what cannot be: operator/,
    ],
    ['no reason', deciding('return { operator: "draft", parents: [], reason: "" };'), /decided what cannot be: reason/],
    [
      'a parent that is not scored',
      deciding(
        `const [last] = tools.history(view).reverse(); return last ? tools.improve(last, 'x') : tools.draft('x');`,
      ),
      /decided what cannot be: improve takes a parent that has a score; own-1 is failed \(at attempt 2/,
    ],
    [
      'a repair of what was rejected',
      deciding(
        `const bad = view.nodes.find((n) => n.status === 'rejected'); return bad ? { operator: 'debug', parents: [bad.id], reason: 'x' } : tools.draft('x');`,
      ),
      /debug takes a parent that failed; own-\d was rejected/,
    ],
    [
      'a parent that a person vetoed',
      deciding(
        `const one = view.nodes.find((n) => n.vetoed); return one ? { operator: 'improve', parents: [one.id], reason: 'x' } : tools.draft('x');`,
      ),
      /own-5 was vetoed by a person/,
    ],
    [
      'chance of its own',
      deciding('return tools.draft(String(Math.random()));'),
      /Math\.random is not available: a decision depends on view, rng and settings alone/,
    ],
    ['a clock', deciding('return tools.draft(String(Date.now()));'), /Date is not available/],
    ['a clock that is constructed', deciding('return tools.draft(String(new Date()));'), /Date is not available/],
    [
      'a counter',
      `let n = 0; ${deciding("n += 1; return tools.draft('draft ' + n);")}`,
      /not a pure function: asked again at attempt 1, it decides otherwise; store nothing/,
    ],
    [
      'a memory of views',
      `const seen = new Set(); ${deciding('const late = seen.has(9); seen.add(view.ordinal); return tools.draft(late && view.ordinal < 9 ? "late" : "early");')}`,
      /not a pure function: asked again at attempt 8/,
    ],
    [
      'a change of the view',
      deciding('view.nodes.push({}); return tools.draft("x");'),
      /the scaffold mine, line 1: .*not extensible/,
    ],
  ])('refuses %s', async (_, text, sentence) => {
    expect(await refusal(text)).toMatch(sentence);
  });

  it('refuses settings that the file does not have, or of another type', async () => {
    const text = `export const settings = { heat: 0.5 }; ${drafting}`;
    const given = (settings: object) => ({ kind: 'own', name: 'mine', settings });
    expect(await refusal(text, given({ hat: 1 }))).toMatch(/has no setting "hat"; did you mean "heat"\?; it has heat/);
    expect(await refusal(text, given({ heat: 'much' }))).toMatch(/the setting "heat" .* is number, not string/);
    expect(await refusal(drafting, given({ heat: 1 }))).toMatch(/has no setting "heat"; it has none/);
  });

  it('leaves clock and chance of the process as they were, after a failure too', () => {
    const [{ random }, date] = [Math, globalThis.Date];
    const bad = boundScaffold(() => Math.random() as never, {}, { name: 'mine' });
    expect(() => bad(viewOf([]), rngFor(1))).toThrow('Math.random');
    expect([Math.random, globalThis.Date]).toEqual([random, date]);
  });
});

describe('where files come from', () => {
  it('given folders first, then the one next to the file; a name once', () => {
    const [given, project, home] = [folderWith(drafting), temporaryFolder(), temporaryFolder()];
    mkdirSync(join(project, 'scaffolds'));
    for (const file of ['mine.mjs', 'other.js', 'Wrong Name.mjs', 'greedy.mjs', 'notes.md']) {
      writeFileSync(join(project, 'scaffolds', file), drafting);
    }
    const folders = scaffoldFolders([given], join(project, 'search.yaml'), home);
    expect(folders).toEqual([given, join(project, 'scaffolds')]);
    expect(scaffoldFiles(folders)).toEqual([
      { name: 'mine', path: join(given, 'mine.mjs') },
      { name: 'other', path: join(project, 'scaffolds/other.js') },
    ]);
    expect(() => scaffoldFolders([join(given, 'none')], undefined, home)).toThrow('is not a folder of scaffolds');
  });

  it('a home records the folders of its searches; one that is gone is passed over', () => {
    const [home, folder] = [temporaryFolder(), folderWith(drafting)];
    new OwnScaffolds([folder]).register(home);
    new OwnScaffolds([folder, join(home, 'gone')]).register(home);
    expect(scaffoldFolders([], undefined, home)).toEqual([folder]);
    writeFileSync(join(home, 'scaffolds.json'), '{');
    expect(() => scaffoldFolders([], undefined, home)).toThrow(/cannot use .*scaffolds\.json/);
  });

  it('a file that is not named does not run', async () => {
    const folder = folderWith(drafting);
    writeFileSync(join(folder, 'bad.mjs'), 'process.exit(3);');
    expect((await planned(folder)).name).toBe('mine');
    await expect(planned(folder, 'minne')).rejects.toMatchObject({
      message: 'unknown scaffold "minne"; did you mean "mine"?',
    });
  });
});

describe('an agent', () => {
  const spec = (scaffold: OwnScaffoldSpec) => agentSpec({ name: 'walker', model: 'local/mutate', scaffold });
  const models = { 'local/mutate': mutateModel() };

  it('thinks with it, and ends with a sentence where the file is missing', async () => {
    const folder = folderWith(deciding("return tools.draft('attempt ' + view.ordinal + ', ' + ('left' in view));"));
    const self = spec(await planned(folder));
    const thinker = {
      spec: self,
      view: { ...viewOf([]), left: { minutes: 3 } },
      space: space16,
      seed: 1,
      topic,
      models,
    };
    const thought = await think({ ...thinker, scaffolds: new OwnScaffolds([folder]) });
    // What is left differs from run to run, so a decision does not see it.
    expect(thought.rationale.choice).toBe('attempt 1, false');
    await expect(think({ ...thinker, scaffolds: new OwnScaffolds([]) })).rejects.toThrow('unknown scaffold "mine"');
    await expect(think(thinker)).rejects.toThrow('the scaffold "mine" of the user is not open');
  });

  it('takes part in a study on a table, where settings make arms', async () => {
    const folder = folderWith(epsilon, 'epsilon.mjs');
    const path = join(folder, 'planted.json');
    writeFileSync(path, JSON.stringify(plantedTable()));
    const arm = (name: string, scaffold: unknown) => ({
      name,
      agents: [{ name: 'a', model: 'local/mutate', scaffold }],
    });
    const own = (value: number) => ({ kind: 'own', name: 'epsilon', settings: { epsilon: value } });
    const study = studySchema.parse({
      question: 'does it draft too often?',
      tasks: [{ table: path }],
      budget: { evaluations: 8 },
      seeds: 4,
      baseline: 'drafts',
      arms: [arm('drafts', own(1)), arm('climbs', own(0)), arm('chance', 'one-shot')],
    });
    const scaffolds = new OwnScaffolds([folder]);
    const entries = study.arms.flatMap(({ agents = [] }) => agents.map(({ scaffold }) => scaffold));
    const results = await runTabulated({
      study,
      table: readTable(path),
      createModel: () => mutateModel(),
      plannedScaffolds: await scaffolds.plan(entries),
      scaffolds,
      lanes: 1,
      onRun: () => {},
      signal: new AbortController().signal,
    });
    const draftsOf = (name: string) => results.filter(({ arm }) => arm === name).map(({ course }) => course);
    expect(draftsOf('drafts').length).toBe(4);
    expect(draftsOf('climbs')).not.toEqual(draftsOf('drafts'));
  });
});

it('the tools hold the shipped policies', () => {
  const tools = scaffoldTools();
  const view = viewOf([1, 2, 3, 4, 5].map((ordinal) => viewNode(ordinal, { fitness: ordinal })));
  expect(tools.policy('greedy')(view, rngFor(1))).toMatchObject({ operator: 'improve', parents: ['walker-5'] });
  expect(tools.policy({ kind: 'greedy', drafts: 6 })(view, rngFor(1)).operator).toBe('draft');
  expect(() => tools.policy('mine')).toThrow('there is no shipped scaffold "mine"');
});
