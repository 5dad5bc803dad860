import { existsSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { literatureCache, retrievers } from '../../src/literature/openRetrievers.ts';
import { temporaryFolder } from '../support/home.ts';
import { json, listeningLog, ManualTime, service } from './support.ts';

const feed =
  '<feed><entry><id>http://arxiv.org/abs/2401.00001v1</id><published>2024-01-01T00:00:00Z</published><title>Zebra mixers</title><summary>Zebra.</summary><author><name>A. B.</name></author></entry></feed>';

async function room(given: { offline?: boolean; environment?: Record<string, string> } = {}) {
  const time = new ManualTime();
  const arxiv = await service(time, (_, response) => response.end(feed));
  const papers = await service(time, (_, response) => json(response, { data: [], results: [] }));
  const code = await service(time, (_, response) => json(response, { total_count: 0, items: [] }));
  const cache = temporaryFolder();
  const { log, lines } = listeningLog();
  const opened = retrievers({
    environment: { XDG_CACHE_HOME: cache, ...given.environment },
    ...{ version: '9.9.9', offline: given.offline ?? false, clock: time, timers: time, log },
    bases: { arxiv: arxiv.url, semanticScholar: papers.url, openAlex: papers.url, github: code.url },
  });
  onTestFinished(opened.close);
  return { ...opened, time, arxiv, papers, code, cache, lines };
}

describe('a reading room', () => {
  it('asks services only for agents that name them, with the keys of the environment', async () => {
    const { open, time, arxiv, papers, code, cache, lines } = await room({
      environment: { S2_API_KEY: 's2-secret', OPENALEX_API_KEY: 'oa-secret', GH_TOKEN: 'gh-secret' },
    });
    await open().searchLiterature({ text: 'zebra' });
    await open({ sources: ['corpus', 'archive'] }).searchLiterature({ text: 'zebra' });
    expect(arxiv.asked).toHaveLength(0);
    expect(existsSync(literatureCache({ XDG_CACHE_HOME: cache }))).toBe(false);

    const reading = open({ sources: ['corpus', 'arxiv', 'semantic-scholar', 'openalex', 'github'] });
    const found = await time.drive(reading.searchLiterature({ text: 'zebra' }));
    await time.drive(reading.searchCode({ text: 'zebra' }));
    expect(found.map(({ id }) => id)).toContain('arxiv:2401.00001');
    expect(arxiv.asked[0]?.headers['user-agent']).toBe('aira/9.9.9');
    const headers = [...papers.asked, ...code.asked].map(({ headers: sent, query }) =>
      JSON.stringify([sent, [...query]]),
    );
    for (const key of ['s2-secret', 'oa-secret', 'gh-secret']) expect(headers.join()).toContain(key);
    expect(JSON.stringify(lines)).not.toMatch(/secret/);
    // What was found online moves nothing for those who read the notes alone.
    expect(await open({ sources: ['corpus'] }).searchLiterature({ text: 'zebra' })).toEqual([]);
  });

  it('says in one line that it is offline, and continues with the notes', async () => {
    const { open, time, arxiv, lines } = await room({ offline: true, environment: { GITHUB_TOKEN: 'gh-secret' } });
    const reading = open({ sources: ['corpus', 'arxiv', 'openalex'] });
    for (const text of ['jamba hybrid', 'mamba']) {
      expect(await time.drive(reading.searchLiterature({ text }))).not.toHaveLength(0);
    }
    expect(arxiv.asked).toHaveLength(0);
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).toMatch(/offline/);
  });

  it('says once that code search needs a token', async () => {
    const { open, time, lines } = await room();
    for (const _ of [1, 2]) await time.drive(open({ sources: ['github'] }).searchCode({ text: 'mamba' }));
    expect(lines.filter(({ msg }) => /GITHUB_TOKEN/.test(String(msg)))).toHaveLength(1);
  });
});
