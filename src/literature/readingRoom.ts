import { homedir } from 'node:os';
import { join } from 'node:path';
import { isOnline, type OpenRetriever } from '../domain/literature.ts';
import type { Logger } from '../platform/log.ts';
import type { Clock, Timers } from '../platform/timers.ts';
import type { Library } from './library.ts';
import { notesRetriever } from './notesRetriever.ts';
import { type OnlineSetting, openLibrary } from './openLibrary.ts';

export interface RoomSetting {
  /** Where keys of services and the place of caches are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Answer from what was found before and ask nobody, whoever may read online. */
  readonly offline: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly bases?: OnlineSetting['bases'];
}

export interface ReadingRoom {
  readonly open: OpenRetriever;
  /** Gives up what services are being asked; nothing can be read online afterwards. */
  close(): void;
}

/** Where answers of services are kept, for all labs of a user. */
export function literatureCache({ XDG_CACHE_HOME }: RoomSetting['environment']): string {
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'aira', 'literature');
}

/**
 * What the agents of a process read with. Those that name no service are given the notes alone, so that nothing anybody
 * found online can move what they find; services are opened when the first agent that names one reads.
 */
export function readingRoom({ environment, version, offline, clock, timers, log, bases }: RoomSetting): ReadingRoom {
  const notes = notesRetriever(log);
  const value = (...names: string[]) => names.map((name) => environment[name]?.trim()).find((each) => each);
  let online: Library | undefined;
  const services = (): Library => {
    if (online) return online;
    const semanticScholar = value('S2_API_KEY', 'SEMANTIC_SCHOLAR_API_KEY');
    const openAlex = value('OPENALEX_API_KEY');
    const github = value('GITHUB_TOKEN', 'GH_TOKEN');
    if (!github) log.warn("GitHub's code search wants GITHUB_TOKEN: code is looked up in the notes alone");
    online = openLibrary({
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
