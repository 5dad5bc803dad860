import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { itemSchema } from '../../src/domain/literature.ts';
import { indexedDocumentSchema } from '../../src/literature/corpus.ts';
import {
  arxivSource,
  githubCodeSource,
  type OnlineSource,
  openAlexSource,
  parseArxivFeed,
  rebuildAbstract,
  semanticScholarSource,
} from '../../src/literature/sources.ts';
import { clientOf, json, ManualTime, service } from './support.ts';

const entry = (id: string, title: string, summary: string) => `
  <entry>
    <id>http://arxiv.org/abs/${id}</id>
    <updated>2024-05-31T17:50:01Z</updated>
    <published>2024-05-31T17:50:01Z</published>
    <title>${title}</title>
    <summary>${summary}</summary>
    <author><name>Tri Dao</name></author>
    <author><name>Albert Gu</name></author>
    <link href="http://arxiv.org/abs/${id}" rel="alternate" type="text/html"/>
    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
  </entry>`;
const feed = (entries: string) => `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title type="html">ArXiv Query: search_query=all:mamba</title>
  <id>http://arxiv.org/api/abc</id>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">1</opensearch:totalResults>${entries}
</feed>`;

const sha = 'a'.repeat(40);

async function setUp(
  answer: Parameters<typeof service>[1],
  source: (client: ReturnType<typeof clientOf>['client'], url: string) => OnlineSource,
) {
  const time = new ManualTime();
  const { url, asked } = await service(time, answer);
  const { client } = clientOf(time);
  const online = source(client, url);
  const search = (text: string, more: Partial<Parameters<OnlineSource['search']>[0]> = {}) =>
    time.drive(online.search({ text, limit: 5, ...more }));
  return { search, asked };
}

describe('arXiv', () => {
  it('is asked in its language and understood', async () => {
    const { search, asked } = await setUp(
      (_, response) =>
        response.end(
          feed(
            entry('2405.21060v1', 'Transformers are SSMs: &lt;Structured\n   Duality&gt;', 'Mamba &amp; attention.\n'),
          ),
        ),
      arxivSource,
    );
    const [found] = await search('state space AND "duality"', { must: ['mamba'] });
    expect(asked[0]?.path).toBe('/api/query');
    expect(asked[0]?.query.get('search_query')).toBe('all:"mamba" AND (all:"state" OR all:"space" OR all:"duality")');
    expect(asked[0]?.query.get('max_results')).toBe('5');
    expect(found).toEqual({
      id: 'arxiv:2405.21060',
      source: 'arxiv',
      kind: 'paper',
      url: 'https://arxiv.org/abs/2405.21060',
      retrievedAt: '2026-11-20T00:00:00.000Z',
      licence: 'CC0-1.0 (metadata)',
      title: 'Transformers are SSMs: <Structured Duality>',
      authors: ['Tri Dao', 'Albert Gu'],
      year: 2024,
      abstract: 'Mamba & attention.',
      body: '',
      topic: null,
      hints: [],
      certainty: 'unverified',
    });
  });

  it('knows old ids, years and empty answers', async () => {
    const two = entry('cs/9901001v2', 'Old', 'x') + entry('2405.00001v1', 'New', 'x');
    expect(parseArxivFeed(feed(two), '2026-11-20T00:00:00Z').map(({ id }) => id)).toEqual([
      'arxiv:cs/9901001',
      'arxiv:2405.00001',
    ]);
    expect(parseArxivFeed(feed(''), '2026-11-20T00:00:00Z')).toEqual([]);
    const { search, asked } = await setUp((_, response) => response.end(feed(two)), arxivSource);
    expect(await search('x', { since: 2025 })).toEqual([]);
    expect(await search('?!')).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['no XML', 'Rate exceeded.'],
    ['half of a feed', feed('').slice(0, 200)],
    ['a web page', '<html><body>sorry</body></html>'],
    ['an entry without an id', feed('<entry><title>x</title></entry>')],
    [
      'its way of reporting an error',
      feed('<entry><id>http://arxiv.org/api/errors#x</id><title>Error</title><summary>incorrect id</summary></entry>'),
    ],
    [
      'entities of its own',
      `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>${feed(entry('2405.00001v1', '&b;', 'x')).slice(38)}`,
    ],
  ])('that answers with %s is malformed', (_, body) => {
    expect(() => parseArxivFeed(body, '2026-11-20T00:00:00Z')).toThrow(/unexpected response from arXiv/);
  });
});

const paper = {
  paperId: sha,
  title: 'Hyena',
  abstract: null,
  year: 2023,
  authors: [{ authorId: '1', name: 'M. Poli' }],
};

describe('Semantic Scholar', () => {
  const open = (key: string | null) => (client: Parameters<typeof semanticScholarSource>[0], url: string) =>
    semanticScholarSource(client, key, url);

  it('is asked in plain words, with its key, and understood', async () => {
    const { search, asked } = await setUp(
      (_, response) => json(response, { total: 1, offset: 0, data: [paper] }),
      open('secret'),
    );
    const [found] = await search('long-convolution, sub-quadratic', { since: 2022 });
    expect(asked[0]?.path).toBe('/graph/v1/paper/search');
    expect(asked[0]?.query.get('query')).toBe('long convolution sub quadratic');
    expect(asked[0]?.query.get('year')).toBe('2022-');
    expect(asked[0]?.headers['x-api-key']).toBe('secret');
    expect(found).toMatchObject({
      id: `semantic-scholar:${sha}`,
      title: 'Hyena',
      authors: ['M. Poli'],
      year: 2023,
      abstract: '',
    });
  });

  it('without a key sends none, and may find nothing', async () => {
    const { search, asked } = await setUp((_, response) => json(response, { total: 0, offset: 0 }), open(null));
    expect(await search('nothing')).toEqual([]);
    expect(asked[0]?.headers).not.toHaveProperty('x-api-key');
  });

  it.each([
    ['text', 'Too Many Requests'],
    ['an error object in place of papers', { data: 'none' }],
    ['an id that is a path', { data: [{ ...paper, paperId: '../../etc' }] }],
    ['a year that is text', { data: [{ ...paper, year: 'soon' }] }],
  ])('that answers with %s is malformed', async (_, body) => {
    const { search } = await setUp(
      (_asked, response) => response.end(typeof body === 'string' ? body : JSON.stringify(body)),
      open(null),
    );
    await expect(search('x')).rejects.toMatchObject({ code: 'literature-malformed' });
  });
});

const work = {
  id: 'https://openalex.org/W42',
  display_name: 'Linear attention',
  publication_year: 2020,
  authorships: [{ author: { id: 'x', display_name: 'A. Katharopoulos' } }, { author: { display_name: null } }],
  abstract_inverted_index: { attention: [1, 3], Linear: [0], is: [2], 'again.': [4] },
};

describe('OpenAlex', () => {
  const open = (client: Parameters<typeof openAlexSource>[0], url: string) => openAlexSource(client, 'secret', url);

  it('is asked with its key and understood, abstracts rebuilt', async () => {
    const { search, asked } = await setUp((_, response) => json(response, { meta: {}, results: [work] }), open);
    const [found] = await search('linear attention', { since: 2019 });
    expect(asked[0]?.query.get('api_key')).toBe('secret');
    expect(asked[0]?.query.get('filter')).toBe('from_publication_date:2019-01-01');
    expect(found).toMatchObject({
      id: 'openalex:W42',
      url: 'https://openalex.org/W42',
      abstract: 'Linear attention is attention again.',
      authors: ['A. Katharopoulos'],
    });
  });

  it('rebuilds any abstract from its index', () => {
    const text = fc.array(fc.stringMatching(/^[a-z.]{1,6}$/), { maxLength: 60 });
    fc.assert(
      fc.property(text, (words) => {
        const index: Record<string, number[]> = {};
        for (const [place, word] of words.entries())
          index[word] = [...(Object.hasOwn(index, word) ? (index[word] ?? []) : []), place];
        expect(rebuildAbstract(index)).toBe(words.join(' '));
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it.each([
    ['no results', { meta: {} }],
    ['a foreign id', { results: [{ ...work, id: 'https://evil.example/W1' }] }],
    ['a position beyond all measure', { results: [{ ...work, abstract_inverted_index: { x: [1e12] } }] }],
    ['negative positions', { results: [{ ...work, abstract_inverted_index: { x: [-1] } }] }],
  ])('that answers with %s is malformed', async (_, body) => {
    const { search } = await setUp((_asked, response) => json(response, body), open);
    await expect(search('x')).rejects.toMatchObject({ code: 'literature-malformed' });
  });
});

describe('GitHub', () => {
  const hit = (repository: string, path = 'models/mamba block.py') => ({
    name: 'x.py',
    path,
    sha,
    html_url: `https://github.com/${repository}/blob/${sha}/${path}`,
    repository: { full_name: repository, description: 'a model' },
    text_matches: [{ fragment: 'class Mamba2(nn.Module):' }],
  });
  const licences: Record<string, unknown> = {
    '/repos/a/free': { license: { spdx_id: 'MIT' } },
    '/repos/b/copyleft': { license: { spdx_id: 'GPL-3.0' } },
    '/repos/c/none': { license: null },
  };
  const answer: Parameters<typeof service>[1] = ({ path }, response) => {
    if (path === '/search/code')
      json(response, { total_count: 4, items: ['a/free', 'b/copyleft', 'c/none', 'd/gone'].map((name) => hit(name)) });
    else if (licences[path]) json(response, licences[path]);
    else response.writeHead(404).end();
  };
  const open = (rule: 'permissive' | 'any') => (client: Parameters<typeof githubCodeSource>[0], url: string) =>
    githubCodeSource(client, { token: 'ghp_secret', licences: rule, base: url });

  it('is asked within its limits, and each find carries the licence of its repository', async () => {
    const { search, asked } = await setUp(answer, open('any'));
    const found = await search('mamba selective scan kernel repo:evil/x language:c OR state space duality');
    expect(asked[0]?.headers.authorization).toBe('Bearer ghp_secret');
    const query = asked[0]?.query.get('q') ?? '';
    expect(query.length).toBeLessThanOrEqual(256);
    expect(query).toMatch(/^[a-z ]+ language:python$/);
    expect(found.map(({ id, licence }) => [id, licence])).toEqual([
      ['github:a/free/models/mamba%20block.py', 'MIT'],
      ['github:b/copyleft/models/mamba%20block.py', 'GPL-3.0'],
      ['github:c/none/models/mamba%20block.py', 'NOASSERTION'],
      ['github:d/gone/models/mamba%20block.py', 'NOASSERTION'],
    ]);
    expect(found[0]?.body).toBe('class Mamba2(nn.Module):');
  });

  it('leaves out what may not be taken up freely', async () => {
    const { search } = await setUp(answer, open('permissive'));
    expect((await search('mamba')).map(({ licence }) => licence)).toEqual(['MIT']);
  });

  it('waits out its limit, and keeps the rate of searches', async () => {
    const { search, asked } = await setUp((seen, response, nth) => {
      if (nth === 1) response.writeHead(403, { 'retry-after': '13' }).end();
      else answer(seen, response, nth);
    }, open('permissive'));
    expect(await search('mamba')).toHaveLength(1);
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBe(13_000);
    await search('retnet');
    const searches = asked.filter(({ path }) => path === '/search/code').map(({ at }) => at);
    expect((searches[2] ?? 0) - (searches[1] ?? 0)).toBeGreaterThanOrEqual(6000);
  });

  it.each([
    ['a message', { message: 'Validation Failed' }],
    ['a repository that is a path', { items: [hit('../../x')] }],
    ['an address that is a script', { items: [{ ...hit('a/free'), html_url: 'javascript:alert(1)' }] }],
  ])('that answers with %s is malformed', async (_, body) => {
    const { search } = await setUp((_asked, response) => json(response, body), open('any'));
    await expect(search('mamba')).rejects.toMatchObject({ code: 'literature-malformed' });
  });
});

it('whatever a service answers, a source gives proper documents or one of its errors', async () => {
  const time = new ManualTime();
  let body = '';
  const { url } = await service(time, (_, response) => response.end(body));
  const { client } = clientOf(time);
  const sources = [
    arxivSource(client, url),
    semanticScholarSource(client, null, url),
    openAlexSource(client, null, url),
    githubCodeSource(client, { token: 't', licences: 'any', base: url }),
  ];
  const known = [feed(entry('2405.21060v1', 'T', 'S')), { data: [paper] }, { results: [work] }, { items: [] }].map(
    (each) => (typeof each === 'string' ? each : JSON.stringify(each)),
  );
  const spoilt = fc
    .tuple(fc.constantFrom(...known), fc.nat(), fc.nat({ max: 8 }), fc.string({ maxLength: 4 }))
    .map(([text, at, cut, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + cut);
    });
  let nth = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), spoilt), fc.constantFrom(...sources), async (text, source) => {
      body = text;
      const found = await time.drive(source.search({ text: `word${nth++}`, limit: 3 })).catch((error) => {
        expect(error).toMatchObject({ code: 'literature-malformed' });
        return [];
      });
      for (const document of found) {
        const { topic: _, abstract: __, body: ___, ...item } = indexedDocumentSchema.parse(document);
        expect(itemSchema.parse({ ...item, snippet: '' }).hints).toEqual([]);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});
