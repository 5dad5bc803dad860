import { accessSync, constants, statSync } from 'node:fs';
import { PrerequisiteError } from '../domain/errors.ts';
import { makeFolder } from '../platform/folder.ts';
import { whyNot } from '../platform/systemErrors.ts';

/**
 * Makes the home of a lab where there is none, before anything is started in it.
 *
 * @throws PrerequisiteError `home` where it cannot be made, or not be written.
 */
export function requireHome(home: string): void {
  const refuse = (why: string, cause?: unknown) =>
    new PrerequisiteError('home', `the lab cannot be kept in ${home}: it ${why}`, 'choose another --home', { cause });
  try {
    if (statSync(home, { throwIfNoEntry: false })?.isDirectory() === false) throw refuse('is not a directory');
    makeFolder(home, 0o700);
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw refuse((thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'cannot be made there' : whyNot(thrown), thrown);
  }
}
