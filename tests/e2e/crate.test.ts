/** A search leaves a lab as one file, and a stranger checks it: same report, clean audit; nothing but the file as written is accepted. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCrate } from '../../src/export/index.ts';
import { cli } from '../support/cli.ts';
import { codeOf } from '../support/errors.ts';
import { temporaryFolder } from '../support/home.ts';
import { contentsOf, withArchive } from '../support/ledger.ts';
import { Program } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-crate-'));
const home = join(folder, 'home');
const crate = join(folder, 'toy-2.crate.zip');
const stranger = join(folder, 'stranger');

const whole = (args: readonly string[]) => new Program(args, {}).ended;

beforeAll(async () => {
  const file = toySearch(folder);
  // The second is answered by trainings of the first, which stay behind.
  for (const name of ['toy-1', 'toy-2']) {
    expect(await whole(['launch', file, '--home', home, '--name', name, '--json'])).toMatchObject({ code: 0 });
  }
  const exported = await cli(['export', 'toy-2', '--home', home, '--format', 'ro-crate', '--out', crate]);
  expect(exported.code, exported.stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = () => unzipSync(readFileSync(crate));

/** A file made of these contents instead. */
function altered(change: (files: Zippable) => Zippable): string {
  const path = join(temporaryFolder(), 'altered.zip');
  writeFileSync(path, zipSync(change({ ...files() })));
  return path;
}

describe('a search in a file', () => {
  it('is imported into an empty home, where the audit is clean and the report is the same', async () => {
    const { code, stdout, stderr } = await cli(['import', crate, '--home', stranger, '--json']);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      search: 'toy-2',
      writtenBy: expect.stringMatching(/^aira .*evaluator/),
    });
    expect(contentsOf(stranger, 'toy-2')).toEqual(contentsOf(home, 'toy-2'));
    expect(withArchive(stranger, (db) => db.prepare('SELECT id FROM searches').pluck().all())).toEqual(['toy-2']);
    expect(statSync(stranger).mode & 0o77).toBe(0);

    const audited = await cli(['audit', 'toy-2', '--home', stranger]);
    expect(audited.code, audited.stdout).toBe(0);
    expect(audited.stdout).toContain(', 0 broken');
    expect(audited.stdout).toContain('or by a search outside of this archive');
    for (const place of [home, stranger])
      expect(await cli(['report', 'toy-2', '--home', place])).toMatchObject({ code: 0 });
    const page = (place: string) => readFileSync(join(place, 'reports/toy-2.html'), 'utf8');
    expect(page(stranger)).toBe(page(home));
    expect(Buffer.from(files()['report.html'] ?? []).toString()).toBe(page(home));
  });

  it('serves no new search, and is imported once', async () => {
    if (!existsSync(join(stranger, 'archive.db'))) await cli(['import', crate, '--home', stranger]);
    const launched = await whole(['launch', toySearch(folder), '--home', stranger, '--json']);
    expect([launched.code, launched.stderr]).toEqual([
      2,
      expect.stringContaining('whose scores were measured elsewhere'),
    ]);
    const again = await cli(['import', crate, '--home', stranger]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('has an archive already')]);
    const other = await cli(['import', crate, '--home', join(folder, 'other'), '--sha256', '0'.repeat(64)]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('not the expected one')]);
    expect(existsSync(join(folder, 'other'))).toBe(false);
  });

  it('is a RO-Crate 1.1 whose entities are its files', async () => {
    const contents = files();
    const graph = JSON.parse(Buffer.from(contents['ro-crate-metadata.json'] ?? []).toString())['@graph'] as {
      '@id': string;
      '@type': string;
      conformsTo?: object;
    }[];
    expect(graph[0]).toMatchObject({ conformsTo: { '@id': 'https://w3id.org/ro/crate/1.1' }, about: { '@id': './' } });
    const described = graph.filter((entity) => entity['@type'] === 'File').map((entity) => entity['@id']);
    expect(described.sort()).toEqual(
      Object.keys(contents)
        .filter((name) => name !== 'ro-crate-metadata.json')
        .sort(),
    );
    const python = process.env.AIRA_TRACKERS_PYTHON ?? 'python3';
    const script = `
import sys
from rocrate.rocrate import ROCrate
crate = ROCrate(sys.argv[1])
print(crate.name, len(crate.get_by_type("File")), crate.root_dataset["mentions"]["startTime"][:2])`;
    if (spawnSync(python, ['-c', 'import rocrate']).status === 0) {
      expect(spawnSync(python, ['-c', script, crate], { encoding: 'utf8' }).stdout).toBe(
        `Search toy-2 on toy ${described.length} 20\n`,
      );
    }
  });

  it('of a search that runs, or of none, is refused', async () => {
    const none = await cli(['export', 'toy-9', '--home', home, '--format', 'ro-crate', '--out', join(folder, 'x.zip')]);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('there is no search "toy-9"')]);
    const taken = await cli(['export', 'toy-1', '--home', home, '--format', 'ro-crate', '--out', crate]);
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('exists already')]);
  });
});

describe('a file from anyone', () => {
  it('is refused, or has the same contents, whichever byte was changed', () => {
    const bytes = readFileSync(crate);
    const path = join(temporaryFolder(), 'changed.zip');
    const contents = (file: string) => {
      const { manifest, ledger, recording } = openCrate(file);
      return JSON.stringify([manifest, ledger.map(({ table, rows }) => [table, [...rows]]), recording]);
    };
    const original = contents(crate);
    let refused = 0;
    const places = Array.from({ length: 150 }, (_, at) => Math.floor((at * (bytes.length - 1)) / 149));
    for (const place of places) {
      const changed = Buffer.from(bytes);
      changed[place] = (changed[place] ?? 0) ^ 0x20;
      writeFileSync(path, changed);
      const code = codeOf(() => expect(contents(path)).toBe(original));
      expect(['crate-invalid', 'no error'], `byte ${place}`).toContain(code);
      if (code !== 'no error') refused += 1;
    }
    expect(refused).toBeGreaterThan(100);
  });

  it.each([
    [
      'a name outside of the folder',
      (each: Zippable) => ({ ...each, '../../evil.sh': Buffer.from('x') }),
      /does not name/,
    ],
    ['a file more', (each: Zippable) => ({ ...each, 'ledger/more.jsonl': Buffer.from('{}\n') }), /does not name/],
    ['a file less', ({ 'ledger/nodes.jsonl': _, ...rest }: Zippable) => rest, /ledger\/nodes\.jsonl is missing/],
    ['no manifest', ({ 'manifest.json': _, ...rest }: Zippable) => rest, /has no manifest/],
    [
      'a manifest that names a file outside of the folder',
      (each: Zippable) => {
        const manifest = JSON.parse(Buffer.from(files()['manifest.json'] ?? []).toString());
        manifest.files[0].name = '../README.md';
        return { ...each, 'manifest.json': Buffer.from(JSON.stringify(manifest)) };
      },
      /names files outside/,
    ],
    [
      'a bomb in the place of a table',
      (each: Zippable) => ({ ...each, 'ledger/nodes.jsonl': new Uint8Array(64 * 1024 * 1024) }),
      /67108864 bytes instead of/,
    ],
  ])('is refused with %s, and nothing is written', async (_, change, expected) => {
    const target = join(temporaryFolder(), 'lab');
    const { code, stderr } = await cli(['import', altered(change), '--home', target]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(expected)]);
    expect(existsSync(target)).toBe(false);
  });

  it('is refused by the total that it unpacks to, before anything is unpacked', () => {
    const path = altered((each) => each);
    const bytes = readFileSync(path);
    // The size of each file, in the directory at the end of a zip, is 24 bytes after its signature.
    for (
      let at = bytes.indexOf('PK\x01\x02', 0, 'latin1');
      at >= 0;
      at = bytes.indexOf('PK\x01\x02', at + 4, 'latin1')
    ) {
      bytes.writeUInt32LE(0x7fffffff, at + 24);
    }
    writeFileSync(path, bytes);
    expect(() => openCrate(path)).toThrow(/unpacks to \d{10,} bytes|manifest is too large/);
  });

  /** The same file with other rows, and digests that agree with them. */
  function forged(table: string, change: (row: Record<string, unknown>) => object): string {
    return altered((each) => {
      const name = `ledger/${table}.jsonl`;
      const lines = Buffer.from(files()[name] ?? [])
        .toString()
        .trimEnd()
        .split('\n');
      const text = lines.map((line) => `${JSON.stringify(change(JSON.parse(line)))}\n`).join('');
      const manifest = JSON.parse(Buffer.from(files()['manifest.json'] ?? []).toString());
      const { createHash } = process.getBuiltinModule('node:crypto');
      const entry = manifest.files.find((file: { name: string }) => file.name === name);
      Object.assign(entry, { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') });
      return { ...each, [name]: Buffer.from(text), 'manifest.json': Buffer.from(JSON.stringify(manifest)) };
    });
  }

  it.each([
    ['nodes', { candidate: 7n.toString().repeat(3), 'x" TEXT); DROP TABLE nodes; --': 1 }, /other columns/],
    ['nodes', { search: 'other-1' }, /belongs to another search/],
    ['nodes', { verdict: 'great' }, /row 1 of nodes: CHECK/],
    ['evaluations', { validation: 'high' }, /row 1 of evaluations: cannot store TEXT/],
    ['searches', { spec: '{}' }, /cannot be read/],
    ['phases', { phase: 'screening' }, /it has not finished/],
    ['jobs', { key: '0'.repeat(64) }, /UNIQUE|FOREIGN KEY/],
  ])('with forged rows of %s is refused as a whole', async (table, change, expected) => {
    const target = join(temporaryFolder(), 'lab');
    const { code, stderr } = await cli(['import', forged(table, (row) => ({ ...row, ...change })), '--home', target]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(expected)]);
    expect(stderr).not.toContain('    at ');
    expect(readdirSync(target)).toEqual([]);
  });

  it('with a score that its rows contradict is imported, and the audit says so', async () => {
    const target = join(temporaryFolder(), 'lab');
    const path = forged('evaluations', (row) => ({ ...row, validation: 0.999 }));
    expect(await cli(['import', path, '--home', target])).toMatchObject({ code: 0 });
    const { code, stdout } = await cli(['audit', 'toy-2', '--home', target]);
    expect([code, stdout]).toEqual([1, expect.stringContaining('differs from')]);
  });
});
