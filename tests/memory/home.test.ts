/** A home is its user's alone, also one that was made by a version that left it open (S18). */
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Archive } from '../../src/memory/archive.ts';
import { privateHome } from '../../src/memory/database.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { temporaryFolder } from '../support/home.ts';

const modeOf = (path: string) => statSync(path).mode & 0o777;
const isRoot = process.getuid?.() === 0;
const stranger = 65_534;

describe('a home', () => {
  it('that others may enter, with an archive that they may read, is closed at the next start', () => {
    const home = join(temporaryFolder(), 'home');
    mkdirSync(home);
    Archive.open(home, systemClock).close();
    chmodSync(home, 0o755);
    for (const folder of ['calls', 'credentials', 'nats', 'nats/jetstream'])
      mkdirSync(join(home, folder), { mode: 0o755 });
    const files = ['thoughts.db', 'calls/toy-1.jsonl', 'credentials/worker.nk', 'nats/nats.conf', 'tasks.json'];
    for (const file of files) writeFileSync(join(home, file), '');
    for (const file of [...files, 'archive.db']) chmodSync(join(home, file), 0o644);
    mkdirSync(join(home, 'reports'), { mode: 0o755 });
    Archive.open(home, systemClock).close();
    expect(modeOf(home)).toBe(0o700);
    for (const folder of ['calls', 'credentials', 'nats', 'nats/jetstream'])
      expect(modeOf(join(home, folder)), folder).toBe(0o700);
    for (const file of [...files, 'archive.db', 'archive.lock']) expect(modeOf(join(home, file)), file).toBe(0o600);
    expect(modeOf(join(home, 'reports'))).toBe(0o755);
  });

  it('is made with nothing in it that others may read', () => {
    const home = join(temporaryFolder(), 'home');
    const archive = Archive.open(home, systemClock);
    archive.handlers['search-name']({ family: 'probe' as never });
    for (const file of readdirSync(home)) expect(modeOf(join(home, file)), file).toBe(0o600);
    archive.close();
  });

  it('does not follow a link to a file of somebody else', () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    mkdirSync(home);
    writeFileSync(join(folder, 'theirs'), '');
    chmodSync(join(folder, 'theirs'), 0o644);
    symlinkSync(join(folder, 'theirs'), join(home, 'thoughts.db'));
    privateHome(home);
    expect(modeOf(join(folder, 'theirs'))).toBe(0o644);
  });

  it.runIf(isRoot)('of another user is refused in one sentence, and so is a file of another user in ours', () => {
    const folder = temporaryFolder();
    const theirs = join(folder, 'theirs');
    mkdirSync(theirs);
    chownSync(theirs, stranger, stranger);
    expect(() => Archive.open(theirs, systemClock)).toThrow(/belongs to another user/);
    const ours = join(folder, 'ours');
    mkdirSync(ours);
    writeFileSync(join(ours, 'archive.db'), '');
    chownSync(join(ours, 'archive.db'), stranger, stranger);
    expect(() => privateHome(ours)).toThrow(/archive\.db belongs to another user/);
  });

  it('that is not there says so', () => {
    expect(() => readArchive(join(temporaryFolder(), 'nowhere'))).toThrow('there is no archive');
  });
});

if (!isRoot) console.warn('not root: what another user sees is not tried');
