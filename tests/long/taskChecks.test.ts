import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython, taskRoots } from '../../src/platform/installation.ts';
import { checkTask } from '../../src/tasks/airs/check.ts';
import { listTasks } from '../../src/tasks/catalogue.ts';
import { smallTask } from '../support/smallTasks.ts';

let root: string;
let python: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-checks-'));
  python = await findPython();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the check of a task', () => {
  it.each(listTasks(taskRoots).map(({ name }) => name))('passes %s', { timeout: 600_000 }, async (name) => {
    const host = { python, env: process.env, data: join(root, 'raw'), seconds: 300 };
    const outcomes: string[] = [];
    for await (const { check, outcome, detail } of checkTask({
      directory: smallTask(name, root),
      host,
    })) {
      expect(outcome, `${check}: ${detail}`).not.toBe('failed');
      outcomes.push(check);
    }
    expect(outcomes.slice(-5)).toEqual(['reference', 'nan', 'short', 'twice', 'headless']);
  });
});
