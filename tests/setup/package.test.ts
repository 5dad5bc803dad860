/** What `npm pack` puts into the package: all that an installed Aira reads, and nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { versionLine } from '../../src/cli/commands/setup.ts';
import { namedFile, readSearchFile } from '../../src/cli/yamlFile.ts';
import { repository } from './machine.ts';

const planted = join(repository, 'gpu-workers/aira_workers/__pycache__/planted.cpython-311.pyc');
const listingSchema = z.array(z.object({ files: z.array(z.object({ path: z.string() })) }));
let packed: Set<string>;

beforeAll(() => {
  mkdirSync(join(planted, '..'), { recursive: true });
  writeFileSync(planted, '');
  // Without the scripts, which would build: `dist` is as set-up left it.
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const stdout = execFileSync('npm', args, { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  packed = new Set(listingSchema.parse(JSON.parse(stdout))[0]?.files.map(({ path }) => path));
});
afterAll(() => rmSync(planted, { force: true }));

const tracked = (...folders: string[]): string[] =>
  execFileSync('git', ['ls-files', '-z', ...folders], { cwd: repository, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);

describe('the package', () => {
  it('has every file that set-up, trainers and commands read', () => {
    const folders = [
      'prices',
      'corpus',
      'tasks',
      'searches',
      'studies',
      'tables',
      'schemas',
      'scripts/setup',
      'requirements',
    ];
    const trainers = tracked('gpu-workers').filter((path) => !/^gpu-workers\/(tests|scripts)\//.test(path));
    expect(
      [...tracked(...folders), ...trainers, 'scripts/setup.mjs', 'README.md'].filter((path) => !packed.has(path)),
    ).toEqual([]);
  });

  it('has each folder that the sources look for below the installation', () => {
    const sources = tracked('src').map((path) => readFileSync(join(repository, path), 'utf8'));
    const named = sources.flatMap((text) =>
      [...text.matchAll(/join\(packageRoot, '([^']+)'/g)].map((match) => match[1] ?? ''),
    );
    expect(named.length).toBeGreaterThan(3);
    const tops = new Set([...packed].map((path) => path.split('/')[0]));
    // `src` tells a checkout from a package.
    expect(named.filter((name) => name !== 'src' && !tops.has(name))).toEqual([]);
  });

  it('has the compiled form of each source', () => {
    const compiled = tracked('src').map((path) => path.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
    expect(compiled.filter((path) => !packed.has(path))).toEqual([]);
  });

  it('has what finished pages are rendered with, which needs no package', () => {
    const needed = ['render.js', 'document.js', 'document.css'].map((name) => `dist/document/${name}`);
    expect(needed.filter((path) => !packed.has(path))).toEqual([]);
    expect(readFileSync(join(repository, 'dist/document/render.js'), 'utf8')).not.toMatch(/^import\b|\brequire\(/m);
  });

  it('has no caches, tests, findings of this machine or sources', () => {
    const foreign =
      /__pycache__|\.pyc$|(^|\/)tests\/|\.test\.|toolchain\.json|engine\.json|\.setup\/|\.venv|\.aira|\.js\.map$/;
    expect([...packed].filter((path) => foreign.test(path))).toEqual([]);
    const tops = [...new Set([...packed].map((path) => path.split('/')[0]))].sort();
    expect(tops).toEqual([
      ...['CHANGELOG.md', 'README.md', 'corpus', 'dist', 'docs', 'gpu-workers', 'package.json'],
      ...['prices', 'primitives', 'requirements', 'scales', 'schemas', 'scripts', 'searches', 'skills', 'studies'],
      ...['tables', 'tasks', 'templates'],
    ]);
  });
});

describe('a shipped file', () => {
  it('is found by its name, and a file of that path comes first', () => {
    expect(readSearchFile(namedFile('quickstart', 'search'))).toMatchObject({
      family: 'quickstart',
      file: { task: 'compose-mad-3p' },
    });
    const folder = mkdtempSync(join(tmpdir(), 'aira-names-'));
    const before = process.cwd();
    try {
      process.chdir(folder);
      writeFileSync(
        'quickstart',
        readFileSync(join(repository, 'searches/quickstart.yaml'), 'utf8').replace('seed: 1', 'seed: 77'),
      );
      expect(readSearchFile(namedFile('quickstart', 'search')).file.seed).toBe(77);
    } finally {
      process.chdir(before);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is listed when the name is wrong', () => {
    const names = readdirSync(join(repository, 'searches'))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => name.replace('.yaml', ''))
      .sort();
    expect(() => namedFile('quickstrat', 'search')).toThrow(
      expect.objectContaining({ remedy: `give the path of a search file, or one of ${names.join(', ')}` }),
    );
  });
});

describe('aira --version', () => {
  const evaluators = String.raw`evaluator (native|torch)-[0-9a-f]{12} \(CPU\), population-[0-9a-f]{12} \(GPU\)`;

  it('names the commit of a checkout', async () => {
    const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: repository,
      encoding: 'utf8',
    }).trim();
    expect(await versionLine()).toMatch(
      new RegExp(`^aira \\d+\\.\\d+\\.\\d+, commit ${commit}(\\+changes)?, ${evaluators}$`),
    );
  });

  it('names the commit that was packed, and says when it is unknown', async () => {
    const root = mkdtempSync(join(tmpdir(), 'aira-version-'));
    try {
      expect(await versionLine(root, false)).toContain(', commit unknown, ');
      mkdirSync(join(root, 'dist'));
      writeFileSync(join(root, 'dist/commit.json'), '{"commit":"0123456789ab+changes"}');
      expect(await versionLine(root, false)).toContain(', commit 0123456789ab+changes, ');
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

describe('the container file', () => {
  const lines = readFileSync(join(repository, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ').split('\n');
  const of = (instruction: string) => lines.filter((line) => line.startsWith(`${instruction} `));

  it('pins its base image by version and Debian by a snapshot, and installs npm packages from the lock', () => {
    expect(of('ARG')[0]).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-bookworm-slim$/);
    for (const from of of('FROM')) expect(from).toMatch(/^FROM \$\{NODE_IMAGE\}( AS \w+)?$/);
    const installing = of('RUN').filter((line) => line.includes('apt-get install'));
    expect(installing).toHaveLength(2);
    for (const run of installing) expect(run).toContain('http://snapshot.debian.org/archive/debian/%s');
    expect(of('RUN').filter((line) => /npm (install|i) |pip install|curl|wget/.test(line))).toEqual([]);
    expect(of('RUN').filter((line) => line.includes('npm ci'))).toHaveLength(1);
  });

  it('makes the folders whose owner it changes, since what it runs there may not', () => {
    const chowned = of('RUN').flatMap((line) => /chown -R \S+ (\/[^&]+)/.exec(line)?.[1]?.trim().split(' ') ?? []);
    expect(chowned).toHaveLength(2);
    for (const folder of chowned) expect(of('RUN').join('\n')).toMatch(new RegExp(`mkdir -p [^&]*${folder}\\b`));
  });

  it('copies files that exist, and does not run as root', () => {
    const copied = of('COPY')
      .filter((line) => !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1));
    const known = new Set(['.', ...readdirSync(repository)]);
    expect(copied.filter((name) => !known.has(name))).toEqual([]);
    expect(lines.indexOf('USER node')).toBeGreaterThan(lines.findLastIndex((line) => line.startsWith('RUN ')));
  });
});
