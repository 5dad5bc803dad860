import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { makeFolder } from '../platform/index.ts';

const entrySchema = z.strictObject({
  version: z.literal(1),
  key: z.string(),
  /** When the response was last known to be current, in milliseconds since the epoch. */
  retrievedAt: z.int().nonnegative(),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
  body: z.string(),
});
export type CachedResponse = Omit<z.infer<typeof entrySchema>, 'version'>;

/** Size limit of the folder in bytes; the oldest entries are deleted first. */
const defaultLimit = 256 * 1024 * 1024;
/** Writes between two checks of the folder's size. */
const writesPerSweep = 64;

/**
 * Responses of literature services on disk, one file each, shared by all processes of a user.
 *
 * CAC-1. An entry is complete or absent: it is written to a temporary file and renamed.
 * CAC-2. An unreadable entry counts as absent. The cache never fails a request.
 * CAC-3. Keys are public URLs without secrets.
 */
export class ResponseCache {
  readonly #directory: string;
  readonly #limit: number;
  #writes = 0;

  constructor(directory: string, limit: number = defaultLimit) {
    this.#directory = directory;
    this.#limit = limit;
  }

  read(key: string): CachedResponse | null {
    try {
      const { version, ...entry } = entrySchema.parse(JSON.parse(readFileSync(this.#path(key), 'utf8')));
      return entry.key === key ? entry : null;
    } catch {
      return null;
    }
  }

  write(entry: CachedResponse): void {
    const path = this.#path(entry.key);
    const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    try {
      makeFolder(this.#directory, 0o700);
      writeFileSync(temporary, JSON.stringify({ version: 1, ...entry }), { mode: 0o600 });
      renameSync(temporary, path);
      if (this.#writes++ % writesPerSweep === 0) this.#sweep();
    } catch {
      // A full or read-only disk costs the next process a request, not this one its response.
      discard(temporary);
    }
  }

  #path(key: string): string {
    return join(this.#directory, `${createHash('sha256').update(key).digest('hex')}.json`);
  }

  #sweep(): void {
    const files = readdirSync(this.#directory).flatMap((name) => {
      const path = join(this.#directory, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat?.isFile() ? [{ path, size: stat.size, at: stat.mtimeMs }] : [];
    });
    let total = files.reduce((sum, { size }) => sum + size, 0);
    for (const { path, size } of files.sort((a, b) => a.at - b.at)) {
      if (total <= this.#limit) return;
      discard(path);
      total -= size;
    }
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // If nothing can be removed, nothing was written.
  }
}
