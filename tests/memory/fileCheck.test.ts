/** Damage in the file of an archive: found at the opening where that is quick, and otherwise while the archive is in use. */
import { statSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Archive } from '../../src/memory/archive.ts';
import { archivePath, openForWriting, wholeAtOnceBytes } from '../../src/memory/database.ts';
import { codeOf } from '../support/errors.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { damageMiddle, largeArchive } from '../support/largeArchive.ts';

const unaborted = () => new AbortController().signal;

function opened(home: string): Archive {
  const archive = Archive.open(home, manualClock());
  onTestFinished(() => archive.close());
  return archive;
}

describe('the file of an archive', () => {
  it('of moderate size is refused at the opening when a page is damaged (CHK-1)', async () => {
    const home = temporaryFolder();
    largeArchive(home, 2 ** 20);
    const sound = Archive.open(home, manualClock());
    await sound.checked(unaborted());
    sound.close();
    damageMiddle(home);
    expect(codeOf(() => openForWriting(home, 1))).toBe('archive-damaged');
  });

  it('of a large size opens, and is checked to its last page while it is in use (CHK-2)', async () => {
    const home = temporaryFolder();
    largeArchive(home, wholeAtOnceBytes);
    expect(statSync(archivePath(home)).size).toBeGreaterThan(wholeAtOnceBytes);
    const sound = Archive.open(home, manualClock());
    await sound.checked(unaborted());
    sound.close();

    damageMiddle(home);
    const archive = opened(home);
    expect(archive.handlers['search-name']({ family: 'probe' as never })).toEqual({ search: 'probe-1' });
    const damage = { code: 'archive-damaged', remedy: 'restore it from a backup' };
    const sentence = expect.stringMatching(/^\S+archive\.db is damaged: .*page.*$/);
    await expect(archive.checked(unaborted())).rejects.toMatchObject({ ...damage, message: sentence });

    // Ended with its archivist, it finds nothing.
    const ending = new AbortController();
    const ended = archive.checked(ending.signal);
    ending.abort();
    await ended;

    // Where no process can be started, the archivist checks by itself (CHK-3).
    const node = process.execPath;
    onTestFinished(() => {
      process.execPath = node;
    });
    process.execPath = '/nowhere/node';
    await expect(archive.checked(unaborted())).rejects.toMatchObject({ ...damage, message: sentence });
  });
});
