import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AiraError, TerminalError } from '../../domain/errors.ts';
import { printable, trainersDirectory } from '../../platform/index.ts';
import { type DesignPackage, runTrustedModule } from '../../tasks/index.ts';

const longestSeconds = 600;

const rehearsalPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_rehearsal', 'aira_design', 'aira_primitives', 'aira_workers'],
  module: 'aira_rehearsal',
};

/** Thrown where the task has no rows for this kind of rehearsal. */
export class NoRows extends TerminalError {
  constructor(message: string) {
    super('rehearsal-rows', message.replace(/^aira_rehearsal: /, ''));
  }
}

/** Training rows that a trusted process has divided, each division made once, in a folder that only this user can enter. */
export class Divisions {
  readonly #python: string;
  readonly #made = new Map<string, Promise<string>>();
  readonly work = mkdtempSync(join(tmpdir(), 'aira-rehearsal-'));

  constructor(python: string) {
    this.#python = python;
    chmodSync(this.work, 0o700);
  }

  /**
   * The folder with the division of these settings' rows, which every user may read.
   *
   * @param args for `aira_rehearsal`, besides settings and output.
   * @throws NoRows; AiraError `rehearsal-data`.
   */
  folderFor(settings: unknown, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const id = JSON.stringify([settings, args]);
    const known = this.#made.get(id);
    if (known) return known;
    const made = this.#make(settings, args, env);
    this.#made.set(id, made);
    made.catch(() => this.#made.delete(id));
    return made;
  }

  async #make(settings: unknown, how: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const place = mkdtempSync(join(this.work, 'data-'));
    const [file, out] = [join(place, 'settings.json'), join(place, 'out')];
    writeFileSync(file, JSON.stringify(settings));
    const args = ['--settings', file, '--out', out, ...how];
    const limits = { seconds: longestSeconds, env };
    const { code, stderr } = await runTrustedModule(this.#python, rehearsalPackage, args, limits);
    const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 500 });
    if (code === 2) throw new NoRows(last);
    if (code !== 0) throw new AiraError('rehearsal-data', `dividing the training data failed: ${last}`);
    chmodSync(place, 0o755);
    chmodSync(out, 0o755);
    for (const path of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
      chmodSync(join(out, path), statSync(join(out, path)).isDirectory() ? 0o755 : 0o644);
    }
    return out;
  }

  close(): void {
    rmSync(this.work, { recursive: true, force: true });
  }
}
