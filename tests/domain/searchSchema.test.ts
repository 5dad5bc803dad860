import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { searchFileJsonSchema, searchFileSchema } from '../../src/domain/search.ts';

describe('the published schema of search files', () => {
  it('is the one that Aira reads them with (npm run schema writes it)', () => {
    expect(JSON.parse(readFileSync('schemas/search.schema.json', 'utf8'))).toEqual(searchFileJsonSchema());
  });
});

describe('the shipped search files', () => {
  it.each(readdirSync('searches'))('%s is valid and points editors to the schema', (name) => {
    const text = readFileSync(`searches/${name}`, 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../schemas/search.schema.json');
    expect(searchFileSchema.safeParse(parse(text)).success).toBe(true);
  });
});
