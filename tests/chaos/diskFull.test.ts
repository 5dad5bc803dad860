/** The disk fills up in the midst of a search. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';
import { audit } from './audit.ts';
import { violations } from './checker.ts';
import { undisturbed } from './undisturbed.ts';

/** Writes until nothing more fits. */
function fill(path: string): void {
  const ballast = openSync(path, 'w');
  try {
    for (const size of [1024 * 1024, 4096, 1]) {
      const block = Buffer.alloc(size);
      try {
        for (;;) writeSync(ballast, block);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
      }
    }
  } finally {
    closeSync(ballast);
  }
}

/** A small file system of its own, as long as the test lasts. Skips it where this user may not mount one. */
function smallDisk(folder: string, skip: (reason: string) => void): string {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  try {
    // Just above what a lab wants to see free before it begins.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=640m', 'tmpfs', disk], { stdio: 'pipe' });
  } catch (thrown) {
    skip(`this user cannot mount a small file system: ${(thrown as Error).message.split('\n').at(-2) ?? ''}`);
  }
  onTestFinished(() => void execFileSync('umount', ['-l', disk]));
  return disk;
}

it('a search ends in a sentence, and a resume loses and repeats nothing', async ({ skip }) => {
  const folder = temporaryFolder();
  const disk = smallDisk(folder, skip);
  const home = join(disk, 'home');
  const file = toySearch(folder, { profile: 'steady', budget: { evaluations: 6 } });
  const calm = await undisturbed(folder, file, 'full');

  const first = start(['launch', file, '--name', 'full', '--home', home, '--json']);
  await first.event(({ event }) => event === 'node-evaluated', 'a first result');
  fill(join(disk, 'ballast'));
  const { code, stderr } = await first.ended;
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/^aira: .*disk.*full.*\n {2}remedy: .*(space|resume).*$/m);
  expect(stderr).not.toMatch(/^\s+at /m);

  rmSync(join(disk, 'ballast'));
  const second = start(['launch', '--resume', 'full', '--home', home, '--json']);
  const ended = await second.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const told = [...first.events, ...second.events];
  expect(violations(home, 'full', { undisturbed: calm, told, cutOff: 2 })).toEqual([]);
  await audit(home, 'full');
});

it('an archive on its own ends in a sentence as well', async ({ skip }) => {
  const disk = smallDisk(temporaryFolder(), skip);
  const archive = start(['archive', '--home', join(disk, 'home')]);
  await archive.until(() => / at nats:/.test(archive.stderr), 'the address of the archive');
  fill(join(disk, 'ballast'));
  const { code, stderr } = await archive.ended;
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(/^aira: .*disk.*full.*\n {2}remedy: .*space.*$/m);
});
