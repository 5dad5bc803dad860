import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Rows of docs/defects.md: the defect, and the file and name of the test. */
const rows = [
  ...readFileSync('docs/defects.md', 'utf8').matchAll(/^\| ([A-Z]\d+[bc]?) \|.*\| `([^`]+)` ([^|]+?) \|$/gm),
].map(([, defect = '', path = '', name = '']) => ({ defect, path, name }));

it('the table names all defects of AIRA-dojo, each once', () => {
  const known = [...Array.from({ length: 19 }, (_, index) => `D${index + 1}`), 'D16b', 'D16c'];
  const named = rows.map(({ defect }) => defect);
  expect(named.filter((defect) => defect.startsWith('D')).sort()).toEqual([...known].sort());
  expect(new Set(named).size).toBe(named.length);
});

it.each(rows)('$defect has the test that the table names', ({ path, name }) => {
  expect(existsSync(path), path).toBe(true);
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(path.startsWith('tests/defects/') ? `describe('${name} ` : name);
});
