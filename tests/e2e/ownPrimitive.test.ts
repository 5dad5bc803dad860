/** A primitive of the user from its file to an audited search, with the real trainer; and the workspace that shows how. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { SearchSpec } from '../../src/domain/search.ts';
import { packageRoot } from '../../src/platform/index.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, jsonLines } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-own-primitive-'));
const home = join(folder, 'home');
const primitives = join(folder, 'primitives');
const gla = join(primitives, 'gla.py');
const text = readFileSync(join(packageRoot, 'primitives', 'gla.py'), 'utf8');
const run = (...words: string[]) => aira([...words, '--home', home]);

const specOf = (search: string): SearchSpec =>
  withArchive(home, (db) =>
    JSON.parse((db.prepare('SELECT spec FROM searches WHERE id = ?').get(search) as { spec: string }).spec),
  );

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a search over a primitive of the user', () => {
  it('trains them next to the built-in ones and audits clean', async () => {
    mkdirSync(primitives);
    writeFileSync(gla, text);
    // Present, broken, and not in any space: nothing reads it.
    writeFileSync(join(primitives, 'broken.py'), 'raise SystemExit("ran")\n');
    const file = toySearch(folder, {
      primitives: ['M', 'mA', 'gla'],
      references: [
        { name: 'alternating', architecture: 'mA M mA M' },
        { name: 'linear', architecture: 'gla M gla M' },
      ],
    });
    expect(await run('launch', file, '--json')).toMatchObject({ code: 0 });
    const scored = withArchive(home, (db) =>
      db
        .prepare("SELECT count(*) AS n FROM nodes JOIN evaluation_requests USING (search) WHERE candidate LIKE '%gla%'")
        .get(),
    ) as { n: number };
    expect(scored.n).toBeGreaterThan(0);
    const { code, stdout } = await run('audit', 'toy-1', '--retrain', '2', '--primitives', primitives, '--json');
    expect([code, jsonLines(stdout).filter(({ holds }) => holds !== true)]).toEqual([0, []]);
  });

  it('records the manifest entry and the digest in the evaluator version', () => {
    const spec = specOf('toy-1');
    const [entry] = spec.primitives ?? [];
    expect(entry).toMatchObject({ token: 'gla', title: 'gated linear attention', colour: '#7b5ea7' });
    expect(Object.keys(entry?.costs ?? {}).sort()).toEqual(['1B', '350M', '3B']);
    expect(spec.evaluator).toMatch(new RegExp(`^(native|torch)-[0-9a-f]{12}\\+gla@${entry?.digest.slice(0, 12)}$`));
  });

  it('is drawn, voted on and extrapolated in the report', async () => {
    const page = readFileSync(join(home, 'reports', 'toy-1.html'), 'utf8');
    // In its own colour, with letters that stand out on it.
    expect(page).toMatch(/<rect [^>]*fill="#7b5ea7"[^>]*>.*?<text [^>]*fill="#ffffff"[^>]*>gla<\/text>/s);
    expect(page).toMatch(/<th[^>]*>gla<\/th>/);
    expect(page).toContain('4 layers of M, mA, gla');
  });

  it('is trained at scale, with its digest in the trainer version', async () => {
    const plan = join(folder, 'own.yaml');
    const layers = [{ name: 'own', pattern: 'gla+M', rule: 'nearest-fit' }];
    const training = { sequence: 32, batchTokens: 256, validationSequences: 8 };
    const seeds = { each: 1, middle: 1 };
    const rest = { sizes: ['0.1M'], budgets: [{ steps: 6 }], data: { generated: 100 }, machine: { device: 'cpu' } };
    writeFileSync(plan, stringify({ architectures: layers, training, seeds, ...rest }));
    const { code, stdout } = await run('scale', plan, '--workers', '1', '--json');
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.filter(({ event }) => event === 'observation')).toMatchObject([{ architecture: 'own', size: '0.1M' }]);
    const search = String(lines[0]?.search);
    expect(specOf(search).evaluator).toMatch(/^scale-[0-9a-f]{12}\+gla@[0-9a-f]{12}$/);
    const audit = await run('audit', search, '--retrain', '1', '--primitives', primitives);
    expect([audit.code, audit.stdout]).toEqual([0, expect.stringMatching(/I6 batch-independence: holds/)]);
  });

  it('is a primitive of the tasks of a study', async () => {
    const file = join(folder, 'study.yaml');
    const agents = [{ name: 'ada', model: 'local/mutate', scaffold: 'greedy' }];
    const study = {
      question: 'Do drafts alone do?',
      tasks: [{ task: 'compose-mad-3p', primitives: ['M', 'gla'] }],
      seeds: 2,
      budget: { evaluations: 3 },
      agents,
      arms: [{ name: 'greedy' }, { name: 'drafts', set: { scaffold: 'one-shot' } }],
    };
    const planned = async (changes: object) => {
      writeFileSync(file, stringify({ ...study, ...changes }));
      return aira(['ablate', file, '--dry-run', '--home', home]);
    };
    const { code, stdout, stderr } = await planned({});
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('greedy, 2 times: ');
    const unknown = await planned({ tasks: [{ task: 'compose-mad-3p', primitives: ['M', 'glu'] }] });
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there is no primitive glu')]);
  });

  it('is refused in one sentence where the file is invalid, before anything is recorded', async () => {
    writeFileSync(gla, text.replace('q * self.key**-0.5', 'q * self.keys**-0.5'));
    const file = toySearch(folder, { primitives: ['M', 'gla'], references: [] }, 'faulty');
    const { code, stderr } = await run('launch', file);
    expect(code).toBe(2);
    expect(stderr).toMatch(/gla\.py, line \d+: AttributeError: 'Layer' object has no attribute 'keys'/);
    expect(stderr).not.toContain('Traceback');
    const checked = await aira(['primitive', 'check', gla]);
    expect([checked.code, checked.stderr]).toEqual([2, expect.stringContaining("no attribute 'keys'")]);
  });

  it('is another evaluator after a change, so a resume is refused', async () => {
    writeFileSync(gla, `${text}\n# a comment\n`);
    const { code, stderr } = await aira(['launch', '--resume', 'toy-1', '--primitives', primitives, '--home', home]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('their scores are not comparable')]);
  });

  it('leaves a search without it as it was', async () => {
    expect((await run('launch', toySearch(folder, { budget: { evaluations: 2 } }, 'plain'))).code).toBe(0);
    const spec = specOf('plain-1');
    expect(spec.evaluator).toMatch(/^[a-z]+-[0-9a-f]{12}$/);
    expect('primitives' in spec).toBe(false);
  });
});

describe('aira init', () => {
  const workspace = join(folder, 'workspace');

  it('writes a workspace whose search can be planned, and never writes over one', async () => {
    const { code, stdout } = await aira(['init', workspace]);
    expect(code).toBe(0);
    for (const file of ['search.yaml', 'primitives/ema.py', 'corpus/my-notes.yaml', 'tasks/my-task/metadata.yaml']) {
      expect(stdout).toContain(file);
      expect(existsSync(join(workspace, file))).toBe(true);
    }
    const planned = await aira(['launch', join(workspace, 'search.yaml'), '--dry-run'], {
      env: { AIRA_CORPUS: join(workspace, 'corpus') },
    });
    expect(planned).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('my-task, profile nano: 24 evaluations'),
    });
    const again = await aira(['init', workspace]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('exists already')]);
    const metadata = readFileSync(join(workspace, 'tasks/my-task/metadata.yaml'), 'utf8');
    expect(metadata).toMatch(/^ {2}shape: \(8, 2\)$/m);
    expect(metadata).toMatch(/^ {2}layers: 8$/m);

    const other = join(folder, 'other');
    mkdirSync(join(other, 'tasks/my-task'), { recursive: true });
    writeFileSync(join(other, 'tasks/my-task/prepare.py'), '# mine\n');
    const refused = await aira(['init', other]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('my-task exists already')]);
    expect(readFileSync(join(other, 'tasks/my-task/prepare.py'), 'utf8')).toBe('# mine\n');
  });

  it('holds a primitive that is the example of the documentation, and valid', async () => {
    const page = readFileSync(join(packageRoot, 'docs', 'primitives.md'), 'utf8');
    const shown = /```python\n([\s\S]*?)```/.exec(page)?.[1];
    expect(readFileSync(join(workspace, 'primitives', 'ema.py'), 'utf8')).toBe(shown);
    const { code, stdout } = await aira(['primitive', 'check', join(workspace, 'primitives', 'ema.py')]);
    expect([code, stdout.split('\n').filter((line) => line.startsWith('ok ')).length]).toEqual([0, 8]);
  });

  it('notes of the user change the corpus version, and a faulty one is named', async () => {
    const notes = join(folder, 'notes');
    cpSync(join(workspace, 'corpus'), notes, { recursive: true });
    writeFileSync(join(notes, 'my-notes.yaml'), 'topic: my-notes\nwritten: 2026-11-29\nnotes: []\n');
    const { code, stderr } = await aira(['launch', join(workspace, 'search.yaml'), '--dry-run'], {
      env: { AIRA_CORPUS: notes },
    });
    expect([code, stderr]).toEqual([2, expect.stringContaining('my-notes.yaml')]);
  });
});

describe('names of shipped files', () => {
  it('launch a search and a study; another name says which there are', async () => {
    const { code, stdout } = await aira(['launch', 'quickstart', '--dry-run']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('compose-mad-3p')]);
    const typo = await aira(['launch', 'quickstar', '--dry-run']);
    expect([typo.code, typo.stderr]).toEqual([2, expect.stringContaining('did you mean "quickstart"')]);
  });
});
