import type { FilesNow } from '../audit/index.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { dataOf, directoryDigest, loadTask, readingOf } from '../evaluators/index.ts';

/** Compares what a search recorded of its data and its task's directory with what this machine has now. */
export async function filesNow({ content, rungs, task }: SearchSpec, data: string): Promise<FilesNow> {
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
    const found = loadTask(readingOf(rungs.screen.settings).directory ?? task);
    const isSame = directoryDigest(found, { rungs }) === content.directory;
    if (isSame) same.push(`${found.directory} is as it was when the search was begun`);
    else changed.push(`${found.directory} has changed`);
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
