import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { LocalModel } from '../../src/agents/index.ts';
import { bayesModel } from '../../src/agents/models/bayes.ts';
import { randomArchitecture, randomModel, substitute } from '../../src/agents/models/mutate.ts';
import { canonicalText, parseInSpace, type StackSpace } from '../../src/domain/architecture.ts';
import { PrerequisiteError, TerminalError } from '../../src/domain/errors.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { findPython, packageRoot } from '../../src/platform/installation.ts';
import { temporaryFolder } from '../support/home.ts';
import { landscape, rehearse, space16, viewNode, viewOf } from './support.ts';

let python: string;
let bayes: LocalModel;
beforeAll(async () => {
  python = await findPython();
  bayes = bayesModel({ python, env: process.env, packageRoot });
});
afterAll(() => bayes.close());

const ground = landscape(3);
const nodes = Array.from({ length: 8 }, (_, index) => {
  const candidate = canonicalText(randomArchitecture(space16, rngFor('node', index)));
  return viewNode(index + 1, { candidate, fitness: ground.measure(candidate) });
});
const view = viewOf(nodes);
const best = nodes.reduce((top, node) => ((node.fitness ?? 0) > (top.fitness ?? 0) ? node : top));
const improve = (given: { view?: typeof view; signal?: AbortSignal; space?: StackSpace } = {}) =>
  ({ operator: 'improve', parents: [best], view, space: space16, rng: rngFor('bayes'), ...given }) as const;

/** A package whose helper is this program instead; `{root}` is where it may leave files. */
function impostor(program: string): { root: string; model: LocalModel } {
  const root = temporaryFolder();
  const folder = join(root, 'gpu-workers', 'aira_workers', 'bayes');
  mkdirSync(folder, { recursive: true });
  for (const file of ['__init__.py', 'bayes/__init__.py']) writeFileSync(join(folder, '..', file), '');
  writeFileSync(join(folder, '__main__.py'), program.replaceAll('{root}', root));
  const model = bayesModel({ python, env: process.env, packageRoot: root });
  onTestFinished(() => model.close());
  return { root, model };
}
const hello = `import os, sys
with open("{root}/lives", "a") as lives: lives.write(f"{os.getpid()}\\n")
print('{"kind": "hello", "protocol": 1, "engine": "impostor"}', flush=True)
`;
const lives = (root: string) => readFileSync(join(root, 'lives'), 'utf8').trim().split('\n');

describe('local/bayes', () => {
  it('gives the same answer to the same question, also from another process', async () => {
    const first = await bayes.propose(improve());
    parseInSpace(first.candidate, space16);
    expect(nodes.map((node) => node.candidate)).not.toContain(first.candidate);
    expect(first.expected).toBeGreaterThan(0);
    expect(first.change).toMatch(
      /of 400 candidates after 8 scores \(scikit-learn [\d.]+, expected .* relative to walker-\d: /,
    );
    expect(await bayes.propose(improve())).toEqual(first);
    await bayes.close();
    expect(await bayes.propose(improve())).toEqual(first);
  });

  // Both views hold the same candidates; only the pending ones take uncertainty away from where they are.
  it('looks elsewhere while neighbours are pending', async () => {
    // Scores of attention's share alone, so that the process learns a length over which neighbours inform each other.
    const share = (candidate: string) => candidate.split(' ').filter((layer) => layer === 'mA').length / 16;
    const learned = Array.from({ length: 24 }, (_, index) => {
      const candidate = canonicalText(randomArchitecture(space16, rngFor('learned', index)));
      return viewNode(index + 1, { candidate, fitness: share(candidate) });
    });
    const first = await bayes.propose(improve({ view: viewOf(learned) }));
    const rng = rngFor('neighbours');
    const near = Array.from({ length: 6 }, (_, index) => {
      const neighbour = substitute(parseInSpace(first.candidate, space16), space16, rng, 1);
      return viewNode(25 + index, { candidate: canonicalText(neighbour), parents: [best.ordinal] });
    });
    const failed = near.map((node) => ({ ...node, status: 'failed' as const }));
    const elsewhere = await bayes.propose(improve({ view: viewOf([...learned, ...near]) }));
    expect(elsewhere).not.toEqual(await bayes.propose(improve({ view: viewOf([...learned, ...failed]) })));
  });

  it('answers several agents that ask at once as it answers each alone', async () => {
    const alone = [];
    for (const seed of [1, 2, 3]) alone.push(await bayes.propose({ ...improve(), rng: rngFor(seed) }));
    const together = await Promise.all([1, 2, 3].map((seed) => bayes.propose({ ...improve(), rng: rngFor(seed) })));
    expect(together).toEqual(alone);
  });

  it('drafts without the helper: for drafts, and before three scores are known', async () => {
    const nowhere = bayesModel({ python: '/nonexistent/python3', env: {}, packageRoot });
    const drafted = await nowhere.propose({ ...improve(), operator: 'draft', parents: [] });
    expect(drafted.change).toMatch(/^random draft [^;]*$/);
    const early = await nowhere.propose(improve({ view: viewOf([best]) }));
    expect(early.change).toMatch(/^random draft .*; 1 of the 3 scores that the surrogate needs$/);
    await nowhere.close();
  });

  it('ends in an exhausted space', async () => {
    const space: StackSpace = { kind: 'stack', layers: 2, primitives: ['M', 'mA'] };
    const all = ['M M', 'M mA', 'mA M', 'mA mA'].map((candidate, index) =>
      viewNode(index + 1, { candidate, fitness: 0.5 }),
    );
    const last = await bayes.propose({
      ...improve({ view: viewOf(all.slice(0, 3)), space }),
      parents: all.slice(0, 1),
    });
    expect(last.candidate).toBe('mA mA');
    const none = await bayes.propose({ ...improve({ view: viewOf(all), space }), parents: all.slice(0, 1) });
    expect(none.change).toContain('no unseen candidate');
  });

  it('learns from at most 500 of many scores, and still answers', async () => {
    const many = Array.from({ length: 520 }, (_, index) => {
      const candidate = canonicalText(randomArchitecture(space16, rngFor('many', index)));
      return viewNode(index + 1, { candidate, fitness: ground.measure(candidate) });
    });
    const proposal = await bayes.propose({ ...improve({ view: viewOf(many) }), parents: many.slice(0, 1) });
    expect(proposal.change).toContain('after 500 scores');
  });

  // Sign test over eight fixed landscapes: at least seven wins of eight has p = 0.035 under equality.
  it('finds more than random search at equal evaluations', { timeout: 180_000 }, async () => {
    const gains: number[] = [];
    for (let seed = 1; seed <= 8; seed++) {
      const planted = landscape(seed);
      const searched = await rehearse({ model: bayes, scaffold: { kind: 'greedy' }, attempts: 32, seed }, planted);
      const chance = await rehearse(
        { model: randomModel(), scaffold: { kind: 'one-shot' }, attempts: 32, seed },
        planted,
      );
      gains.push(searched.best - chance.best);
    }
    expect(gains.filter((gain) => gain > 0).length).toBeGreaterThanOrEqual(7);
    expect(gains.reduce((sum, gain) => sum + gain, 0) / gains.length).toBeGreaterThan(0.1);
  });
});

describe('the helper process', () => {
  it('says what to install where it cannot start', async () => {
    const nowhere = bayesModel({ python: '/nonexistent/python3', env: {}, packageRoot });
    const error = await nowhere.propose(improve()).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(PrerequisiteError);
    expect(error).toMatchObject({ code: 'bayes-start', message: expect.stringContaining('ENOENT') });
    expect(error.remedy).toContain('local/mutate');

    const { model } = impostor('import sklearn_that_is_missing');
    await expect(model.propose(improve())).rejects.toMatchObject({
      code: 'bayes-start',
      message: expect.stringContaining("No module named 'sklearn_that_is_missing'"),
    });
  });

  it('is started once more when it dies, and gives the same answer', async () => {
    const real = join(packageRoot, 'gpu-workers');
    // Its first life ends with the first question; its second is the real helper.
    const { root, model } = impostor(`import os, sys
with open("{root}/lives", "a") as lives: lives.write("life\\n")
if open("{root}/lives").read().count("life") == 1:
    print('{"kind": "hello", "protocol": 1, "engine": "impostor"}', flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), 9)
os.environ["PYTHONPATH"] = ${JSON.stringify(real)}
os.execv(sys.executable, [sys.executable, "-m", "aira_workers.bayes"])
`);
    expect(await model.propose(improve())).toEqual(await bayes.propose(improve()));
    expect(lives(root)).toHaveLength(2);
  });

  it('is not started a third time: the error says what to do', async () => {
    const { root, model } = impostor(`${hello}sys.stdin.readline()\nsys.exit("out of luck")\n`);
    const error = await model.propose(improve()).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error.message).toMatch(/died \(exit status 1: out of luck\), twice .* local\/mutate$/);
    expect(lives(root)).toHaveLength(2);
  });

  it.each([
    ['speaks no JSON', 'print("nonsense", flush=True)'],
    ['speaks another version', `print('{"kind": "hello", "protocol": 2, "engine": "later"}', flush=True)`],
    [
      'answers another question',
      `${hello}sys.stdin.readline()
print('{"kind": "suggestion", "id": 99, "index": 0, "expected": 0, "std": 1, "acquisition": 0}', flush=True)`,
    ],
    [
      'chooses what was not offered',
      `${hello}sys.stdin.readline()
print('{"kind": "suggestion", "id": 1, "index": 400, "expected": 0, "std": 1, "acquisition": 0}', flush=True)`,
    ],
    [
      'answers with a value that is not a number',
      `${hello}sys.stdin.readline()
print('{"kind": "suggestion", "id": 1, "index": 0, "expected": NaN, "std": 1, "acquisition": 0}', flush=True)`,
    ],
  ])('is not believed when it %s', async (_, program) => {
    const { model } = impostor(`${program}\nimport sys; sys.stdin.read()\n`);
    await expect(model.propose(improve())).rejects.toMatchObject({ name: 'TerminalError', code: 'bayes-protocol' });
  });

  it('is killed when the question is withdrawn or the model closed, and neither is answered', async () => {
    const { root, model } = impostor(`${hello}sys.stdin.readline()
open("{root}/asked", "w").close()
sys.stdin.read()
import time; time.sleep(600)
`);
    const dead = (pid: string) => {
      expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
    };
    const abort = new AbortController();
    const withdrawn = model.propose(improve({ signal: abort.signal })).catch((thrown) => thrown);
    const queued = [1, 2].map(() => model.propose(improve()).catch((thrown) => thrown));
    await expect.poll(() => readFileSync(join(root, 'asked')), { timeout: 30_000 }).toBeDefined();
    abort.abort(new Error('stopped by hand'));
    expect((await withdrawn).message).toBe('stopped by hand');
    // The next question starts another helper; closing ends that one too, and the last question starts none.
    await expect.poll(() => lives(root).length, { timeout: 30_000 }).toBe(2);
    await model.close();
    for (const unanswered of queued) expect(await unanswered).toMatchObject({ code: 'bayes-closed' });
    expect(lives(root)).toHaveLength(2);
    lives(root).forEach(dead);
    await model.close();
  });
});
