/**
 * Literature: notes on papers and code, and what online services find.
 *
 * Role: the corpus, full-text indexes, one HTTP client for arXiv, Semantic Scholar, OpenAlex and GitHub code search. Non-role:
 * when an agent reads, and what it concludes (agents/tools/reading.ts).
 *
 * - One retriever per attempt, with a budget; every query and every item shown is recorded (`domain/literature.ts`).
 * - Notes may carry hints (`domain/literature.ts`); `local/prior` follows hints of notes and nothing else. Items of services and
 *   lessons carry none, and have indexes of their own, because adding documents to an index changes its ranking.
 * - `search_archive` searches the results in the attempt's own view only (I4, I5).
 * - A search whose agents read the notes records their version; a resume with other notes is refused.
 * - Online: a token bucket and one connection per host, answers cached in `$XDG_CACHE_HOME/aira/literature` with ETag, at most
 *   a minute per question. Keys never reach cache, log or a redirect. Offline, it says so once and uses notes and cached
 *   answers.
 */

export { loadCorpus } from './corpus.ts';

export {
  memoized,
  notesRetriever,
  retrievers,
} from './openRetrievers.ts';
