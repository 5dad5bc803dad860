import type { SearchId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { readArchive } from '../memory/archive.ts';
import { archivePath } from '../memory/database.ts';
import { isThere } from '../memory/home.ts';

/** The addresses of language models that the agents of a search name. */
export const addressesOf = (agents: readonly Pick<SearchSpec['agents'][number], 'baseUrl'>[]): string[] =>
  agents.flatMap(({ baseUrl }) => baseUrl ?? []);

/** The same for a search of this home's own ledger; none for a search that is recorded elsewhere. */
export function recordedAddresses(home: string, search: SearchId): string[] {
  if (!isThere(archivePath(home), home)) return [];
  const reader = readArchive(home);
  try {
    return reader.searches.exists(search) ? addressesOf(reader.searches.spec(search).agents) : [];
  } finally {
    reader.close();
  }
}
