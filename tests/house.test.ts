import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The floors of docs/architecture.md, highest first: that page is what people read, so the test reads it too. A room imports
 * from lower floors and from itself, through the doors of other rooms.
 */
const page = readFileSync('docs/architecture.md', 'utf8');
const floors = [...page.matchAll(/^ floor (\d+) {2}(.*)$/gm)]
  .sort(([, a], [, b]) => Number(a) - Number(b))
  // Names are parted by two blanks; what follows more of them is a remark.
  .map(([, , names = '']) => (names.split(/ {3,}/)[0] ?? '').split('  '));

/** Nouns, schemas and pure functions, used everywhere and each from its own file. */
const withoutDoor = ['domain'];

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
const imports = new Map(
  sources.map((path) => {
    const text = readFileSync(join('src', path), 'utf8');
    const found = [...text.matchAll(/(?:from|import) '(\.[^']+)'/g)].map(([, target = '']) => target);
    return [path, found.map((target) => relative('src', join('src', dirname(path), target)))];
  }),
);
const roomOf = (path: string): string => path.split('/')[0] ?? '';
const floorOf = (path: string): number => floors.findIndex((rooms) => rooms.includes(roomOf(path)));

describe('the house', () => {
  it('is described on the page', () => {
    expect(floors.length).toBeGreaterThan(5);
    const rooms = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(floors.flat().sort()).toEqual(rooms.map(({ name }) => name).sort());
  });

  it('has a floor for every room', () => {
    expect(sources.filter((path) => floorOf(path) < 0)).toEqual([]);
  });

  it('has arrows that only point down', () => {
    const wrong = [...imports].flatMap(([path, targets]) =>
      targets
        .filter((target) => roomOf(target) !== roomOf(path) && floorOf(target) >= floorOf(path))
        .map((target) => `${path} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('is entered by doors', () => {
    const wrong = [...imports].flatMap(([path, targets]) =>
      targets
        .filter((target) => roomOf(target) !== roomOf(path) && !withoutDoor.includes(roomOf(target)))
        .filter((target) => target !== `${roomOf(target)}/index.ts`)
        .map((target) => `${path} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('opens the archive in one room', () => {
    const openers = sources.filter((path) => readFileSync(join('src', path), 'utf8').includes('new Database('));
    expect(openers.filter((path) => roomOf(path) !== 'memory').sort()).toEqual([
      'agents/graph/thoughts.ts', // checkpoints of thoughts
      'audit/ledgerFirst.ts', // an empty schema, to compare with
      'literature/searchIndex.ts', // the full-text index
    ]);
  });

  it('labels each invariant once', () => {
    const owners = new Map<string, Set<string>>();
    for (const path of sources) {
      for (const [, label = ''] of readFileSync(join('src', path), 'utf8').matchAll(/^ \*\s+([A-Z]{3})-\d+/gm)) {
        owners.set(label, (owners.get(label) ?? new Set()).add(path));
      }
    }
    expect(owners.size).toBeGreaterThan(40);
    expect([...owners].filter(([, paths]) => paths.size > 1).map(([label, paths]) => [label, ...paths])).toEqual([]);
  });

  it('has files of one subject each, not fragments: 200 lines on average', () => {
    const lines = sources.reduce(
      (sum, path) => sum + readFileSync(join('src', path), 'utf8').split('\n').length - 1,
      0,
    );
    expect(lines / sources.length).toBeGreaterThan(200);
  });

  it('has no circles', () => {
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      state.set(path, 'open');
      for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
      state.set(path, 'done');
    };
    for (const path of sources) visit(path, []);
    expect(circles).toEqual([]);
  });

  it('loads a large library only for the command that needs it', () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      // Static imports alone: `import()` is how a library waits until it is needed.
      const text = readFileSync(join('src', path), 'utf8');
      for (const [, target = ''] of text.matchAll(/^(?:import|export)(?! type)[^;]*? from '(\.[^']+)';/gms)) {
        visit(relative('src', join('src', dirname(path), target)));
      }
    };
    visit('cli/main.ts');
    expect(reached.size).toBeGreaterThan(200);
    const heavy =
      /^import (?!type)[^;]*from '(@langchain|openai|@anthropic|@modelcontextprotocol|undici|hyparquet|hono|@hono)/ms;
    expect([...reached].filter((path) => heavy.test(readFileSync(join('src', path), 'utf8')))).toEqual([]);
  });

  it('imports only files that are there', () => {
    const missing = [...imports].flatMap(([path, targets]) =>
      targets.filter((target) => !imports.has(target)).map((target) => `${path} -> ${target}`),
    );
    expect(missing).toEqual([]);
  });
});
