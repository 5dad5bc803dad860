import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { rungs } from '../domain/task.ts';
import { changesSince, filesRead, readingOf } from '../tasks/index.ts';

const remedy = 'restore the files, or launch the search file as a new search';

/**
 * Checks that further trainings of a search read the same content as its earlier ones (I10).
 *
 * @throws PrerequisiteError `content-changed` with the difference; `content-unknown` for a search of an older version that
 * reads data or scripts, whose content is not recorded; `data-missing`, `data-unreadable`.
 */
export async function requireSameContent(spec: SearchSpec, data: string): Promise<void> {
  for (const rung of rungs) {
    const { settings } = spec.rungs[rung];
    const reading = readingOf(settings);
    if (spec.content === undefined) {
      if (reading.data.length === 0 && !reading.runsScripts) continue;
      throw new PrerequisiteError(
        'content-unknown',
        `"${spec.id}" was started by a version that did not record its data, so new scores may not be comparable`,
        'launch its file as a new search',
      );
    }
    const [problem] = changesSince(spec.content, settings, await filesRead(settings, data));
    if (problem === undefined) continue;
    throw new PrerequisiteError('content-changed', `${problem} since "${spec.id}" started`, remedy);
  }
}
