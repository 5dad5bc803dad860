import * as z from 'zod';
import type { FilesNow } from '../audit/index.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { dataOf, directoryDigest, loadTask, readingOf } from '../evaluators/index.ts';
import { parseYaml } from '../platform/yaml.ts';

const sourceSchema = z.looseObject({ task: z.string() });

/** What a search file calls its task; null for a file that cannot be read. */
function taskOf(source: string): string | null {
  try {
    return sourceSchema.parse(parseYaml(source)).task;
  } catch {
    return null;
  }
}

/** Directories that may be the one that a search was begun with: as its settings or its file say, or by its task's name. */
function candidates({ rungs, task }: SearchSpec, source: string): string[] {
  const names = [readingOf(rungs.screen.settings).directory, taskOf(source), task];
  const found = new Set<string>();
  for (const name of names) {
    try {
      if (name !== null) found.add(loadTask(name).directory);
    } catch (thrown) {
      // It may have been launched elsewhere.
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
    }
  }
  return [...found];
}

/** Compares what a search recorded of its data and its task's directory with what this machine has now. */
export async function filesNow(spec: SearchSpec, source: string, data: string): Promise<FilesNow> {
  const { content, rungs, task } = spec;
  const same: string[] = [];
  const changed: string[] = [];
  if (!content) return { same, changed };
  const attempt = async (what: string, compare: () => Promise<void>): Promise<void> => {
    try {
      await compare();
    } catch (thrown) {
      if (!(thrown instanceof PrerequisiteError)) throw thrown;
      changed.push(`${what}: ${errorMessage(thrown)}`);
    }
  };
  await attempt('the task’s directory', async () => {
    const places = candidates(spec, source);
    const found = places.find((directory) => directoryDigest({ directory }, { rungs }) === content.directory);
    if (found !== undefined) same.push(`${found} is as it was when the search was begun`);
    else if (places.length === 0) changed.push(`the directory of task ${task} is not on this machine`);
    else changed.push(`${places.join(' and ')}: changed, or another directory of this name`);
  });
  await attempt('the imported data', async () => {
    const now = await dataOf({ rungs }, data);
    for (const name of Object.keys({ ...content.data, ...now }).sort()) {
      const what = `data set ${name}`;
      if (now[name] === content.data[name]) same.push(`${what} is as it was when the search was begun`);
      else changed.push(`${what} ${now[name] === undefined ? 'is gone' : 'has changed'}`);
    }
  });
  return { same, changed };
}
