/**
 * The secret that decides which rows are hidden.
 *
 * Generators and seeds of the tasks are public, so that a program could contain a generator and draw the very rows that it
 * will be asked about. A secret of the laboratory goes into those draws. It is made once per user; machines that share a
 * search need the same file. Its fingerprint is part of the evaluator's version, so that scores on different rows never meet.
 */
import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';

const bytes = 32;

/** @throws PrerequisiteError `secret` where it can neither be read nor made. */
export function hiddenRowsSecret(path: string): Buffer {
  try {
    return existing(path) ?? make(path);
  } catch (thrown) {
    throw new PrerequisiteError(
      'secret',
      `the secret of the hidden rows cannot be kept in ${path}: ${errorMessage(thrown)}`,
      'name another file in AIRA_SECRET_FILE',
      { cause: thrown },
    );
  }
}

function existing(path: string): Buffer | null {
  try {
    const found = readFileSync(path);
    if (found.length >= 16) return found;
    throw new Error('it is too short to be one');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** Of several that make one at the same moment, one wins and all take that one's. */
function make(path: string): Buffer {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, randomBytes(bytes), { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path);
}

/** What may be told of a secret. */
export const fingerprint = (secret: Buffer): string =>
  createHash('sha256').update('fingerprint\0').update(secret).digest('hex').slice(0, 12);
