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
import { corpusDirectory, loadCorpus } from './corpus.ts';
import { LiteratureClient } from './http/client.ts';
import { ResponseCache } from './http/responseCache.ts';
import { Library } from './library.ts';
import { arxivSource } from './sources/arxiv.ts';
import { githubCodeSource } from './sources/githubCode.ts';
import { openAlexSource } from './sources/openAlex.ts';
import { semanticScholarSource } from './sources/semanticScholar.ts';

export interface OnlineOptions {
  /** Answers of services and what was found in them; shared by all labs of a user. */
  readonly cacheDirectory: string;
  /** `aira/0.1.0 (+https://...)`. */
  readonly userAgent: string;
  /** Without a key a service is asked as far as it answers strangers; GitHub's code search does not. */
  readonly keys: { readonly semanticScholar?: string; readonly openAlex?: string; readonly github?: string };
  readonly offline: boolean;
  /** Whether code under copyleft or unknown licences may be shown to agents. */
  readonly codeLicences: 'permissive' | 'any';
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly corpus?: string;
  readonly budget?: ReadingBudget;
  /** Where the services are, if not where they usually are. */
  readonly bases?: Readonly<Partial<Record<'arxiv' | 'semanticScholar' | 'openAlex' | 'github', string>>>;
}

/**
 * Everything that agents can read, services included. One such library serves all agents of a process, so that they share
 * its rates and its cache.
 *
 * @throws PrerequisiteError `corpus-malformed`.
 */
export function openOnlineLibrary(setting: OnlineOptions): Library {
  const { cacheDirectory, userAgent, keys, offline, codeLicences, clock, timers, log, budget, bases = {} } = setting;
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
  const given = { corpus: loadCorpus(setting.corpus ?? corpusDirectory), log, sources, ...(budget ? { budget } : {}) };
  const onClose = () => client.close();
  try {
    makeFolder(cacheDirectory, 0o700);
    return new Library({ ...given, onClose, shelfPath: join(cacheDirectory, 'shelf.db') });
  } catch (thrown) {
    log.warn({ why: errorMessage(thrown) }, 'what is found online is not kept for the next time');
    return new Library({ ...given, onClose });
  }
}

/**
 * Reading for those who need nothing but Aira's own notes: no network, no key, no file but the notes. They are read when
 * the first thought opens them.
 *
 * @throws PrerequisiteError `corpus-malformed`, when first opened.
 */
export function notesRetriever(log: Logger, directory: string = corpusDirectory): OpenRetriever {
  let library: Library | undefined;
  return (occasion) => {
    library ??= new Library({ corpus: loadCorpus(directory), log });
    return library.open(occasion);
  };
}

export interface RetrieversOptions {
  /** Where keys of services and the place of caches are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Answer from what was found before and ask nobody, whoever may read online. */
  readonly offline: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly bases?: OnlineOptions['bases'];
}

export interface Retrievers {
  readonly open: OpenRetriever;
  /** Gives up what services are being asked; nothing can be read online afterwards. */
  close(): void;
}

/** Where answers of services are kept, for all labs of a user. */
export function literatureCache({ XDG_CACHE_HOME }: RetrieversOptions['environment']): string {
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'aira', 'literature');
}

/**
 * What the agents of a process read with. Those that name no service are given the notes alone, so that nothing anybody
 * found online can move what they find; services are opened when the first agent that names one reads.
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
    if (!github) log.warn("GitHub's code search wants GITHUB_TOKEN: code is looked up in the notes alone");
    online = openOnlineLibrary({
      cacheDirectory: literatureCache(environment),
      userAgent: `aira/${version}`,
      keys: {
        ...(semanticScholar ? { semanticScholar } : {}),
        ...(openAlex ? { openAlex } : {}),
        ...(github ? { github } : {}),
      },
      codeLicences: 'permissive',
      ...{ offline, clock, timers, log },
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

const spent = () =>
  new TerminalError('reading-budget', 'this thought has used its searches; propose with what was read');

/**
 * A retriever that answers a question that was asked before as it was answered then. For shelves that do not change, as
 * Aira's own notes: a study's thousands of thoughts ask the same few questions of them. What a thought is shown, and what
 * is recorded of it, is the same.
 */
export function memoized(open: OpenRetriever): OpenRetriever {
  const known = new Map<string, Promise<Answer>>();
  return (occasion) => {
    const base = open(occasion);
    let searches = base.left.searches;
    const retrieved: Retrieval[] = [];
    const readings: Reading[] = [];
    const search = (kind: Search) => async (query: LiteratureQuery) => {
      if (searches === 0) throw spent();
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
