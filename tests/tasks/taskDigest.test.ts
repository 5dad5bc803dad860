import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestTaskDirectory } from '../../src/tasks/content.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-digest-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = join(root, `task-${made++}`);
  mkdirSync(directory);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

const task = { 'metadata.yaml': 'a: 1\n', 'lib/score.py': 'x = 1\n', 'lib/deep/table.csv': '1,2\n' };

describe('the digest of a task directory', () => {
  it('does not depend on where the directory is, or on the order in which its files were made', () => {
    const one = directoryOf(task);
    const other = directoryOf(Object.fromEntries(Object.entries(task).reverse()));
    expect(digestTaskDirectory(other)).toBe(digestTaskDirectory(one));
    const before = digestTaskDirectory(one);
    renameSync(one, join(root, 'elsewhere'));
    expect(digestTaskDirectory(join(root, 'elsewhere'))).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{64}$/);
  });

  it('changes with the content, the name and the number of files, at any depth', () => {
    const before = digestTaskDirectory(directoryOf(task));
    const changed = [
      { ...task, 'lib/deep/table.csv': '1,3\n' },
      { ...task, 'lib/deep/other.csv': '' },
      { 'metadata.yaml': 'a: 1\n', 'lib/score.py': 'x = 1\n', 'lib/table.csv': '1,2\n' },
    ];
    expect(new Set([before, ...changed.map((files) => digestTaskDirectory(directoryOf(files)))]).size).toBe(4);
  });

  it('is the same exactly where paths and contents are', () => {
    const name = fc.stringMatching(/^[a-z]{1,2}$/);
    const paths = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join('/')}.txt`);
    const files = fc.dictionary(paths, fc.string({ maxLength: 3 }), { maxKeys: 4 });
    fc.assert(
      fc.property(files, files, (one, other) => {
        const sorted = (record: Record<string, string>) => JSON.stringify(Object.entries(record).sort());
        const same = digestTaskDirectory(directoryOf(one)) === digestTaskDirectory(directoryOf(other));
        expect(same).toBe(sorted(one) === sorted(other));
      }),
      { numRuns: 100 },
    );
  });

  it('leaves out what programs leave behind', () => {
    const before = digestTaskDirectory(directoryOf(task));
    const used = directoryOf({
      ...task,
      '__pycache__/a.py': 'x',
      'lib/__pycache__/score.cpython-311.pyc': 'x',
      'lib/score.pyc': 'x',
      '.git/HEAD': 'x',
    });
    expect(digestTaskDirectory(used)).toBe(before);
  });

  it('notices that a large file is rewritten in place at the same length', () => {
    const size = 3 << 20;
    const directory = directoryOf({ 'rows.bin': 'a'.repeat(size) });
    const before = digestTaskDirectory(directory);
    expect(digestTaskDirectory(directory)).toBe(before);
    writeFileSync(join(directory, 'rows.bin'), 'b'.repeat(size));
    expect(digestTaskDirectory(directory)).not.toBe(before);
  });

  it('refuses a link, to a file or to a folder, naming it', () => {
    for (const target of ['metadata.yaml', 'lib']) {
      const directory = directoryOf(task);
      symlinkSync(join(directory, target), join(directory, 'lib', 'link'));
      expect(() => digestTaskDirectory(directory)).toThrow(join(directory, 'lib', 'link'));
    }
  });

  it.skipIf(process.getuid?.() === 0)('refuses what cannot be read', () => {
    const directory = directoryOf(task);
    chmodSync(join(directory, 'metadata.yaml'), 0);
    expect(() => digestTaskDirectory(directory)).toThrow('cannot read');
  });
});
