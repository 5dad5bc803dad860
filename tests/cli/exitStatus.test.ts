/** The statuses that the README documents. 3 is shown by e2e/launch, 130 and 143 by e2e/interrupts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { exitCodes, report } from '../../src/cli/fail.ts';
import { AiraError, PrerequisiteError, RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { cli } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';

describe('an exit status', () => {
  it('is one of those that the README names', () => {
    const readme = readFileSync('README.md', 'utf8');
    for (const code of Object.values(exitCodes)) expect(readme).toMatch(new RegExp(`\`?\\b${code}\\b`));
  });

  it('is 1 where something that was looked at is not as it should be', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const source = join(folder, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'a.csv'), 'a,b\n1,2\n');
    expect((await cli(['data', 'import', 'org/name/config', source, '--home', home])).code).toBe(0);
    expect((await cli(['data', 'list', '--verify', '--home', home])).code).toBe(0);
    writeFileSync(join(home, 'data', 'org/name/config', 'a.csv'), 'a,b\n1,3\n');
    expect((await cli(['data', 'list', '--verify', '--home', home])).code).toBe(1);
  });

  it('follows the class of an error, and a failure of the system is the user’s to mend', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const system = (code: string) => Object.assign(new Error(`${code}: no`), { code, path: '/x' });
    try {
      expect(report(new PrerequisiteError('a', 'b', 'c'))).toBe(2);
      expect(report(new TerminalError('a', 'b'))).toBe(1);
      expect(report(new RetryableError('a', 'b', 1))).toBe(1);
      expect(String(write.mock.calls.at(-1)?.[0])).toMatch(/remedy: run the same command again/);
      expect(report(new AiraError('a', 'b'))).toBe(1);
      expect(report(new TypeError('a'))).toBe(1);
      for (const code of ['EACCES', 'ENOSPC', 'EROFS', 'EISDIR', 'SQLITE_READONLY_DIRECTORY', 'SQLITE_CANTOPEN']) {
        expect(report(system(code))).toBe(2);
      }
      const said = write.mock.calls.map(([text]) => String(text));
      expect(said.filter((text) => /\n\s+at /.test(text))).toHaveLength(1);
      expect(report(new TerminalError('a', 'x\u001b[2J\n'.repeat(10_000)))).toBe(1);
      expect(String(write.mock.calls.at(-1)?.[0]).length).toBeLessThan(2000);
    } finally {
      write.mockRestore();
    }
  });
});
