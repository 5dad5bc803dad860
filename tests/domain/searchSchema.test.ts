import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { fileReference, keyRows } from '../../src/domain/inputFile.ts';
import { budgetEntrySchema, searchFileJsonSchema, searchFileSchema } from '../../src/domain/search.ts';
import { studyJsonSchema } from '../../src/studies/index.ts';

describe('the published schema of search files', () => {
  it('is the one that Aira reads them with (npm run schema writes it)', () => {
    expect(JSON.parse(readFileSync('schemas/search.schema.json', 'utf8'))).toEqual(searchFileJsonSchema());
  });
});

const schemas = { search: searchFileJsonSchema(), study: studyJsonSchema() };

describe.each(Object.entries(schemas))('the keys of a %s file', (name, schema) => {
  const rows = keyRows(schema);

  it('each have a description and an example, and numbers a unit', () => {
    expect(rows.length).toBeGreaterThan(40);
    const isNumber = ({ type }: { type?: string | undefined }) => type === 'number' || type === 'integer';
    const silent = rows.flatMap(({ path, schema: { description, examples, unit, ...rest } }) => {
      const lacks = [
        ...(description === undefined ? ['description'] : []),
        ...(examples === undefined ? ['example'] : []),
        ...(isNumber(rest) && unit === undefined ? ['unit'] : []),
        ...(unit !== undefined && !description?.endsWith(`Unit: ${unit}.`) ? ['unit in the description'] : []),
      ];
      return lacks.length > 0 ? [`${path} lacks ${lacks.join(', ')}`] : [];
    });
    expect(silent).toEqual([]);
  });

  it('are in docs/search-file.md (npm run schema writes it)', () => {
    const page = readFileSync('docs/search-file.md', 'utf8');
    const [, rest = ''] = page.split(`<!-- ${name}: begin -->`);
    expect(rest.split(`<!-- ${name}: end -->`)[0]?.trim()).toBe(fileReference(schema).trim());
  });
});

describe('the examples of a search file', () => {
  it('pass the schema, together and one by one', () => {
    const file = (more: object) => ({
      task: 'compose-mad-3p',
      budget: { evaluations: 60 },
      agents: [{ name: 'greedy', model: 'local/mutate', scaffold: 'greedy' }],
      ...more,
    });
    for (const { path, schema } of keyRows(schemas.search)) {
      if (/[.[(]/.test(path)) continue;
      const parsed = searchFileSchema.safeParse(file({ [path]: schema.examples?.[0] }));
      expect(parsed.error, path).toBeUndefined();
    }
    for (const { path, schema } of keyRows(schemas.search)) {
      const [, name] = /^budget\.(\w+)$/.exec(path) ?? [];
      if (name === undefined) continue;
      expect(budgetEntrySchema.safeParse({ evaluations: 1, [name]: schema.examples?.[0] }).error, path).toBeUndefined();
    }
  });
});

describe('durations of a budget', () => {
  it('are in minutes or hours, seconds or hours', () => {
    expect(budgetEntrySchema.parse({ evaluations: 1, hours: 1.5, deviceHours: 2 })).toEqual({
      evaluations: 1,
      minutes: 90,
      deviceSeconds: 7200,
    });
    expect(budgetEntrySchema.parse({ evaluations: 1, minutes: 6 })).toEqual({ evaluations: 1, minutes: 6 });
  });

  it('are not in both', () => {
    const { error } = budgetEntrySchema.safeParse({ evaluations: 1, hours: 1, minutes: 60 });
    expect(error?.issues[0]).toMatchObject({ path: ['hours'], message: 'give either minutes or hours' });
  });
});

describe('the shipped search files', () => {
  it.each(readdirSync('searches').filter((name) => name.endsWith('.yaml')))(
    '%s is valid and points editors to the schema',
    (name) => {
      const text = readFileSync(`searches/${name}`, 'utf8');
      expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schemas/search.schema.json');
      expect(searchFileSchema.safeParse(parse(text)).success).toBe(true);
    },
  );
});
