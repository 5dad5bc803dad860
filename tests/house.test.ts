import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The floors of docs/architecture.md, lowest first. A room imports from lower floors, and from itself. All may use the domain. */
const floors = [
  ['domain'],
  ['platform'],
  ['llm', 'sandbox', 'statistics', 'bus', 'memory', 'literature', 'aggregation'],
  ['tasks'],
  ['evaluators'],
  ['agents'],
  ['studies'],
  ['actors', 'report', 'audit'],
  ['cli'],
];

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

  it('imports only files that are there', () => {
    const missing = [...imports].flatMap(([path, targets]) =>
      targets.filter((target) => !imports.has(target)).map((target) => `${path} -> ${target}`),
    );
    expect(missing).toEqual([]);
  });
});
