/** The package as code of others sees it: packed, unpacked into an empty folder, compiled against and run. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import * as z from 'zod';
import { packageRoot } from '../../src/platform/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-exports-'));
const consumer = join(folder, 'consumer');
const modules = join(consumer, 'node_modules');
const compiler = join(packageRoot, 'node_modules/typescript/bin/tsc');
const manifestSchema = z.object({
  exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })])),
  dependencies: z.record(z.string(), z.string()),
});
const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')));

/** Compiles the consumer; the messages of the compiler, if there are any. */
function compile(): string {
  try {
    execFileSync(process.execPath, [compiler, '-p', consumer, '--pretty', 'false'], { encoding: 'utf8' });
    return '';
  } catch (thrown) {
    return (thrown as { stdout: string }).stdout;
  }
}

const run = (file: string): string =>
  execFileSync(process.execPath, [join(consumer, file)], { encoding: 'utf8', cwd: consumer });

beforeAll(() => {
  const source = join(folder, 'source');
  mkdirSync(source);
  copyFileSync(join(packageRoot, 'package.json'), join(source, 'package.json'));
  cpSync(join(inject('installation'), 'dist'), join(source, 'dist'), { recursive: true });
  cpSync(join(packageRoot, 'schemas'), join(source, 'schemas'), { recursive: true });
  const types = ['-p', join(packageRoot, 'tsconfig.types.json'), '--outDir', join(source, 'dist')];
  execFileSync(process.execPath, [compiler, ...types], { stdio: ['ignore', 'inherit', 'inherit'] });
  const packed = ['pack', '--ignore-scripts', '--pack-destination', folder];
  execFileSync('npm', packed, { cwd: source, stdio: ['ignore', 'ignore', 'ignore'] });

  // As npm installs it, without its network: the dependencies are those of this checkout, and no other package is in reach.
  mkdirSync(join(modules, 'aira'), { recursive: true });
  const archive = join(folder, 'aira-0.1.0.tgz');
  execFileSync('tar', ['-xzf', archive, '-C', join(modules, 'aira'), '--strip-components=1']);
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(packageRoot, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module', private: true }));
  const options = { target: 'ES2023', module: 'NodeNext', strict: true, types: [], allowJs: true, checkJs: true };
  const config = { compilerOptions: { ...options, outDir: 'out', rootDir: '.' }, include: ['*.ts', '*.mjs'] };
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify(config));
  copyFileSync(join(packageRoot, 'templates/workspace/scaffolds/epsilon.mjs'), join(consumer, 'epsilon.mjs'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a program that imports the package', () => {
  it('gets types that hold what they promise, also in the scaffold that aira init writes', () => {
    writeFileSync(
      join(consumer, 'uses.ts'),
      `import { mutateModel, type LocalModel, type StackSpace } from 'aira/models';
import {
  boundScaffold,
  checkScaffold,
  type Decision,
  draft,
  type OwnScaffold,
  ranked,
  type Rng,
  rngFor,
  type ScaffoldView,
  scaffoldFor,
} from 'aira/scaffolds';
import * as epsilon from './epsilon.mjs';

const lazy: OwnScaffold<{ heat: number }> = {
  settings: { heat: 0.5 },
  decide(view, rng, { settings, tools }) {
    const [best] = ranked(view.nodes);
    // @ts-expect-error a score is a number
    const text: string | undefined = best?.fitness;
    // @ts-expect-error there is no such setting
    const other = settings.cold;
    return best && rng.float() < settings.heat ? tools.improve(best, String(text ?? other)) : draft('none yet');
  },
};
const view: ScaffoldView = { ordinal: 1, remaining: 4, nodes: [] };
const random: Rng = rngFor('consumer');
const decision: Decision = boundScaffold(epsilon.decide, epsilon.settings, { name: 'epsilon' })(view, random);
checkScaffold(boundScaffold(lazy.decide, { heat: 0.5 }, { name: 'lazy' }), 'lazy');
const shipped = scaffoldFor({ kind: 'greedy', drafts: 2, debugProbability: 0, debugDepth: 0 })(view, random);
// @ts-expect-error there is no such operator
const operator: 'mutate' = shipped.operator;
const model: LocalModel = mutateModel();
const space: StackSpace = { kind: 'stack', layers: 4, primitives: ['M', 'mA'] };
const { candidate } = await model.propose({ operator: 'draft', parents: [], view, space, rng: random });
console.log(JSON.stringify([decision.reason, shipped.reason, operator, candidate.split(' ').length]));
`,
    );
    expect(compile()).toBe('');
  });

  it('runs', () => {
    expect(JSON.parse(run('out/uses.js'))).toEqual(['draft 1 of 3', 'draft 1 of 2', 'draft', 4]);
  });

  it('reaches each entry that package.json names, with its types, and nothing else', () => {
    const entries = Object.entries(manifest.exports);
    expect(entries.length).toBeGreaterThan(3);
    writeFileSync(
      join(consumer, 'reach.mjs'),
      `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const scaffolds = await import('aira/scaffolds');
const schema = require('aira/schemas/search.schema.json');
const inner = await import('aira/dist/cli/run.js').catch((error) => error.code);
console.log(JSON.stringify([typeof scaffolds.draft, schema.title, require('aira/package.json').name, inner]));
`,
    );
    expect(JSON.parse(run('reach.mjs'))).toEqual([
      'function',
      'An Aira search file',
      'aira',
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    ]);
    for (const [, target] of entries) {
      if (typeof target === 'string') continue;
      for (const path of Object.values(target))
        expect(readFileSync(join(modules, 'aira', path)).length).toBeGreaterThan(0);
    }
  });
});
