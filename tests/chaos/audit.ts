import { expect } from 'vitest';
import { Program } from '../support/program.ts';

/** The program's own audit of a search, which has to find nothing either. */
export async function audit(home: string, search: string): Promise<void> {
  const { stdout: help } = await new Program(['--help'], {}).ended;
  if (!/^\s+audit\b/m.test(help)) return;
  const { code, stdout, stderr } = await new Program(['audit', search, '--home', home], {}).ended;
  expect(code, `${stdout}${stderr}`).toBe(0);
}
