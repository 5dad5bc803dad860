import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import { archivePath, openForWriting } from '../../src/memory/database.ts';

/** An archive of more bytes than are checked at once. */
export function largeArchive(home: string, moreThan: number): void {
  openForWriting(home, 1).close();
  const db = new Database(archivePath(home));
  db.pragma('synchronous = OFF');
  const insert = db.prepare(`INSERT INTO searches VALUES (?, '{}', hex(zeroblob(524288)), 1)`);
  const rows = Math.ceil(moreThan / 2 ** 20) + 1;
  db.transaction(() => {
    for (let row = 1; row <= rows; row++) insert.run(`large-${row}`);
  })();
  db.close();
}

/** Overwrites the page in the middle of an archive, which an opening does not read. */
export function damageMiddle(home: string): void {
  const pageBytes = 4096;
  const path = archivePath(home);
  const page = Math.floor(statSync(path).size / pageBytes / 2);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, page * pageBytes);
  closeSync(file);
}
