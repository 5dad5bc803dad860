import { homedir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, TerminalError } from '../domain/errors.ts';
import {
  type Item,
  isOnline,
  type LiteratureQuery,
  type OpenRetriever,
  type Reading,
  type ReadingBudget,
  type Retrieval,
  type Retriever,
} from '../domain/literature.ts';
import { type Clock, type Logger, makeFolder, type Timers } from '../platform/index.ts';
import { LiteratureClient } from './client.ts';
import { corpusDirectory, loadCorpus } from './corpus.ts';
import { Library } from './library.ts';
import { ResponseCache } from './responseCache.ts';
import { arxivSource, githubCodeSource, openAlexSource, semanticScholarSource } from './sources.ts';

export interface OnlineOptions {
  /** Responses of services and an index of them; shared by all labs of a user. */
  readonly cacheDirectory: string;
  /** `aira/0.1.0 (+https://...)`. */
  readonly userAgent: string;
  /** Without a key a service has stricter limits; GitHub's code search requires one. */
  readonly keys: { readonly semanticScholar?: string; readonly openAlex?: string; readonly github?: string };
  readonly offline: boolean;
  /** Whether code under copyleft or unknown licences may be shown to agents. */
  readonly codeLicences: 'permissive' | 'any';
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly corpus?: string;
  readonly budget?: ReadingBudget;
  /** Base URLs of the services; default: the public ones. */
  readonly bases?: Readonly<Partial<Record<'arxiv' | 'semanticScholar' | 'openAlex' | 'github', string>>>;
}

/**
 * Everything that agents can read, services included. One library serves all agents of a process, so that they share rates
 * and cache.
 *
 * @throws PrerequisiteError `corpus-malformed`.
 */
export function openOnlineLibrary(options: OnlineOptions): Library {
  const { cacheDirectory, userAgent, keys, offline, codeLicences, clock, timers, log, budget, bases = {} } = options;
  const cache = new ResponseCache(join(cacheDirectory, 'answers'));
  const client = new LiteratureClient({ clock, timers, log, cache, userAgent, offline });
  const sources = [
    arxivSource(client, bases.arxiv),
    semanticScholarSource(client, keys.semanticScholar ?? null, bases.semanticScholar),
    openAlexSource(client, keys.openAlex ?? null, bases.openAlex),
  ];
  if (keys.github) {
    const base = bases.github === undefined ? {} : { base: bases.github };
    sources.push(githubCodeSource(client, { token: keys.github, licences: codeLicences, ...base }));
  }
  const common = { corpus: loadCorpus(options.corpus ?? corpusDirectory), log, sources, ...(budget ? { budget } : {}) };
  const onClose = () => client.close();
  try {
    makeFolder(cacheDirectory, 0o700);
    return new Library({ ...common, onClose, onlineIndexPath: join(cacheDirectory, 'shelf.db') });
  } catch (thrown) {
    log.warn({ why: errorMessage(thrown) }, 'cannot write the literature cache; online finds are not stored');
    return new Library({ ...common, onClose });
  }
}

/**
 * A retriever for the corpus only: no network, no key, no files but the notes, which are read on first use.
 *
 * @throws PrerequisiteError `corpus-malformed`, on first use.
 */
export function notesRetriever(log: Logger, directory: string = corpusDirectory): OpenRetriever {
  let library: Library | undefined;
  return (occasion) => {
    library ??= new Library({ corpus: loadCorpus(directory), log });
    return library.open(occasion);
  };
}

interface RetrieversOptions {
  /** Source of service keys and the cache location. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Answer from the cache only, for all agents. */
  readonly offline: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly bases?: OnlineOptions['bases'];
}

interface Retrievers {
  readonly open: OpenRetriever;
  /** Aborts requests to services; nothing can be read online afterwards. */
  close(): void;
}

/** Cache of service responses, for all labs of a user. */
export function literatureCache({ XDG_CACHE_HOME }: RetrieversOptions['environment']): string {
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'aira', 'literature');
}

/**
 * The retrievers of a process's agents. Agents that name no service get the corpus only, so that online finds cannot affect
 * their results; services are opened when the first agent that names one reads.
 */
export function retrievers({
  environment,
  version,
  offline,
  clock,
  timers,
  log,
  bases,
}: RetrieversOptions): Retrievers {
  const notes = notesRetriever(log);
  const value = (...names: string[]) => names.map((name) => environment[name]?.trim()).find((each) => each);
  let online: Library | undefined;
  const services = (): Library => {
    if (online) return online;
    const semanticScholar = value('S2_API_KEY', 'SEMANTIC_SCHOLAR_API_KEY');
    const openAlex = value('OPENALEX_API_KEY');
    const github = value('GITHUB_TOKEN', 'GH_TOKEN');
    if (!github) log.warn("GitHub's code search needs GITHUB_TOKEN: searching code in the corpus only");
    online = openOnlineLibrary({
      cacheDirectory: literatureCache(environment),
      userAgent: `aira/${version}`,
      keys: {
        ...(semanticScholar ? { semanticScholar } : {}),
        ...(openAlex ? { openAlex } : {}),
        ...(github ? { github } : {}),
      },
      codeLicences: 'permissive',
      offline,
      clock,
      timers,
      log,
      ...(bases ? { bases } : {}),
    });
    return online;
  };
  return {
    open: (occasion) => (occasion?.sources?.some(isOnline) ? services().open(occasion) : notes(occasion)),
    close: () => online?.close(),
  };
}

type Search = 'searchLiterature' | 'searchCode' | 'searchArchive';

interface Answer {
  readonly items: Item[];
  readonly retrieved: readonly Retrieval[];
  readonly readings: readonly Reading[];
}

const exhausted = () =>
  new TerminalError('reading-budget', 'no searches left in this attempt; propose with what you have read');

/**
 * A retriever that answers a repeated question from memory. For sources that do not change, such as the corpus: the
 * thousands of thoughts of a study ask it the same few questions. Answers and records are identical.
 */
export function memoized(open: OpenRetriever): OpenRetriever {
  const known = new Map<string, Promise<Answer>>();
  return (occasion) => {
    const base = open(occasion);
    let searches = base.left.searches;
    const retrieved: Retrieval[] = [];
    const readings: Reading[] = [];
    const search = (kind: Search) => async (query: LiteratureQuery) => {
      if (searches === 0) throw exhausted();
      searches -= 1;
      const key = JSON.stringify([kind, query, occasion]);
      let answer = known.get(key);
      if (!answer) {
        const inner = open(occasion);
        answer = inner[kind](query).then((items) => ({ items, retrieved: inner.retrieved, readings: inner.readings }));
        known.set(key, answer);
      }
      const { items, ...records } = await answer;
      retrieved.push(...records.retrieved);
      readings.push(...records.readings);
      return items;
    };
    return {
      searchLiterature: search('searchLiterature'),
      searchCode: search('searchCode'),
      searchArchive: search('searchArchive'),
      read: (id, signal) => base.read(id, signal),
      get retrieved() {
        return [...retrieved, ...base.retrieved];
      },
      get readings() {
        return [...readings, ...base.readings];
      },
      get left() {
        return { ...base.left, searches };
      },
    } satisfies Retriever;
  };
}
