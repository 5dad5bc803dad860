/** Every named failpoint: die there in the midst of a search, resume, and compare with the same search undisturbed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { failpoints } from '../../src/platform/processes.ts';
import type { Contents } from '../support/ledger.ts';
import { toySearch } from '../support/toySearch.ts';
import { dieAndResume } from './dieAndResume.ts';
import { undisturbed } from './undisturbed.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-failpoints-'));
let calm: Contents;

beforeAll(async () => {
  calm = await undisturbed(folder, toySearch(folder), 'toy');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.concurrent('killed at', () => {
  it.for(failpoints)('%s', { timeout: 180_000 }, async (name, { expect }) => {
    expect(await dieAndResume(`${name}:3`, mkdtempSync(join(folder, 'killed-')), calm)).toEqual([]);
  });
});
