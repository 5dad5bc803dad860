import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { rungs } from '../domain/task.ts';
import { changesSince, filesRead, readingOf } from '../tasks/index.ts';

const remedy = 'launch its file as a new search, or put back what was there';

/**
 * Makes sure that further trainings of a search read what its earlier ones read (I10).
 *
 * @throws PrerequisiteError `content-changed` naming what differs; `content-unknown` for a search of before that reads data or
 * scripts, since what they were is not recorded; `data-missing`, `data-unreadable`.
 */
export async function requireSameContent(spec: SearchSpec, data: string): Promise<void> {
  for (const rung of rungs) {
    const { settings } = spec.rungs[rung];
    const reading = readingOf(settings);
    if (spec.content === undefined) {
      if (reading.data.length === 0 && !reading.runsScripts) continue;
      throw new PrerequisiteError(
        'content-unknown',
        `"${spec.id}" was begun by a version that did not record which data it reads, so new scores may not compare with its own`,
        'launch its file as a new search',
      );
    }
    const [problem] = changesSince(spec.content, settings, await filesRead(settings, data));
    if (problem === undefined) continue;
    throw new PrerequisiteError('content-changed', `${problem} since "${spec.id}" was begun`, remedy);
  }
}
