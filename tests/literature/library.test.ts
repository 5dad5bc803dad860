import { describe, expect, it, onTestFinished } from 'vitest';
import { itemSchema, type LiteratureQuery } from '../../src/domain/literature.ts';
import { MalformedAnswerError, OfflineError } from '../../src/literature/client.ts';
import { loadCorpus } from '../../src/literature/corpus.ts';
import { Library, type LibraryOptions } from '../../src/literature/library.ts';
import { notesRetriever, type OnlineOptions, openOnlineLibrary } from '../../src/literature/openRetrievers.ts';
import type { OnlineSource } from '../../src/literature/sources.ts';
import { textCap } from '../../src/literature/text.ts';
import { temporaryFolder } from '../support/home.ts';
import { documentOf, listeningLog, ManualTime, service } from './support.ts';

const corpus = loadCorpus();

function libraryOf(more: Partial<LibraryOptions> = {}) {
  const { log, lines } = listeningLog();
  const library = new Library({ corpus, log, ...more });
  onTestFinished(() => library.close());
  return { library, lines };
}

/** A source that answers from memory, as a service would after its answer was parsed. */
const answering = (
  found: ReturnType<typeof documentOf>[],
  more: Partial<OnlineSource> = {},
): OnlineSource & { asked: number } => ({
  name: 'arxiv',
  kind: 'paper',
  asked: 0,
  async search() {
    this.asked++;
    return found;
  },
  ...more,
});

describe('reading the notes', () => {
  it.each<[string, string]>([
    ['one attention layer to seven mamba layers', 'corpus:jamba'],
    ['reordering sublayers sandwich', 'corpus:sandwich-transformer'],
    ['grouped query key value heads', 'corpus:gqa'],
    ['orthogonalised momentum newton-schulz', 'corpus:muon'],
    ['synthetic tasks recall compression selective copying mechanistic design', 'corpus:mad'],
    ['tokens per parameter compute optimal', 'corpus:chinchilla'],
    ['byte-level text listops retrieval benchmark', 'corpus:long-range-arena'],
  ])('finds what "%s" asks for', async (text, wanted) => {
    const items = await libraryOf().library.open().searchLiterature({ text });
    expect(items.slice(0, 3).map(({ id }) => id)).toContain(wanted);
    for (const item of items) {
      expect(itemSchema.parse(item).source).toBe('corpus');
      expect(item.snippet).not.toBe('');
    }
  });

  it('finds code apart from papers', async () => {
    const reading = libraryOf().library.open();
    const code = await reading.searchCode({ text: 'triton kernels for linear attention' });
    expect(code[0]).toMatchObject({ id: 'corpus:code-flash-linear-attention', licence: 'MIT', kind: 'code' });
    const papers = await reading.searchLiterature({ text: 'triton kernels for linear attention' });
    expect(papers.every(({ kind }) => kind === 'paper')).toBe(true);
  });

  it('reads a whole note, and returns nothing for an unknown id', async () => {
    const reading = libraryOf().library.open();
    const text = await reading.read('corpus:jamba');
    expect(text?.text).toContain('256k context');
    expect(text?.url).toBe('https://arxiv.org/abs/2403.19887');
    expect(await reading.read('corpus:nothing')).toBeNull();
  });

  it('marks a finding that is not certain', async () => {
    expect((await libraryOf().library.open().read('corpus:mad'))?.text).toMatch(/25 percent.*\(not certain\)/);
  });

  it('opens them when first asked', async () => {
    const { log } = listeningLog();
    expect(await notesRetriever(log)().searchLiterature({ text: 'mamba', limit: 2 })).toHaveLength(2);
    expect(() => notesRetriever(log, '/nonexistent')()).toThrow('/nonexistent');
  });
});

describe('a thought', () => {
  it('reads within its budget, and no other pays for it (LIB-4)', async () => {
    const { library } = libraryOf({ budget: { searches: 2, reads: 1, itemsPerSearch: 3 } });
    const reading = library.open();
    expect(await reading.searchLiterature({ text: 'attention', limit: 50 })).toHaveLength(3);
    await reading.searchCode({ text: 'attention' });
    await expect(reading.searchLiterature({ text: 'mamba' })).rejects.toMatchObject({ code: 'reading-budget' });
    await reading.read('corpus:jamba');
    await expect(reading.read('corpus:mamba')).rejects.toMatchObject({ code: 'reading-budget' });
    expect(await library.open().searchLiterature({ text: 'mamba' })).not.toHaveLength(0);
  });

  it('has all that it was shown recorded, with where it came from (LIB-4)', async () => {
    const reading = libraryOf().library.open();
    const found = await reading.searchLiterature({ text: 'hybrid ratio', limit: 3 });
    await reading.searchCode({ text: 'hybrid', limit: 1 });
    await reading.read('corpus:jamba');
    await reading.read('corpus:nothing');
    expect(reading.retrieved.map(({ how, rank }) => [how, rank])).toEqual([
      ['search-literature', 1],
      ['search-literature', 2],
      ['search-literature', 3],
      ['search-code', 1],
      ['read', 1],
    ]);
    expect(reading.retrieved.slice(0, 3).map(({ id }) => id)).toEqual(found.map(({ id }) => id));
    for (const { source, url, retrievedAt, licence } of reading.retrieved) {
      expect([source, url?.slice(0, 8), retrievedAt, licence === '']).toEqual([
        'corpus',
        'https://',
        '2026-11-20T00:00:00Z',
        false,
      ]);
    }
  });
});

describe('in addition to the notes', () => {
  const query: LiteratureQuery = { text: 'mamba hybrid attention ratio', limit: 6 };

  it('stand what services find, mixed, and later without them', async () => {
    const found = Array.from({ length: 9 }, (_, nth) =>
      documentOf(`arxiv:2400.0000${nth}`, { title: `Mamba study ${nth}`, abstract: `subject ${nth}` }),
    );
    const source = answering(found);
    const { library } = libraryOf({ sources: [source] });
    const mixed = await library.open().searchLiterature(query);
    expect(mixed).toHaveLength(6);
    expect(mixed.filter((item) => item.source === 'corpus').length).toBeGreaterThanOrEqual(2);
    expect(mixed.filter((item) => item.source === 'arxiv').length).toBeGreaterThanOrEqual(2);
    expect((await library.open().read('arxiv:2400.00003'))?.title).toBe('Mamba study 3');
    await library.open().searchLiterature({ ...query, sources: ['corpus'] });
    await library.open().searchLiterature({ ...query, hinted: true });
    expect(source.asked).toBe(1);
  });

  it('stands a work once, the note before the service', async () => {
    const twin = documentOf('arxiv:2403.19887', {
      title: 'Jamba: a hybrid transformer–mamba language model',
      abstract: 'x',
    });
    const items = await libraryOf({ sources: [answering([twin])] })
      .library.open()
      .searchLiterature({ text: 'jamba hybrid' });
    expect(items.filter(({ title }) => /jamba: a hybrid/i.test(title)).map(({ id }) => id)).toEqual(['corpus:jamba']);
  });

  it('stand the results that the reader brings along, and no others (LIB-5)', async () => {
    const { library } = libraryOf();
    const result = { id: 'climber-7', title: 'improve 8M+8mA', text: 'Moving zebra layers helped.', author: 'climber' };
    const reading = library.open({ results: [result] });
    expect(await reading.searchArchive({ text: 'zebra' })).toMatchObject([
      { id: 'archive:climber-7', source: 'archive', kind: 'lesson', snippet: expect.stringContaining('zebra layers') },
    ]);
    expect((await reading.read('archive:climber-7'))?.text).toContain('Moving zebra layers helped.');
    expect(await reading.searchLiterature({ text: 'zebra' })).toEqual([]);
    const other = library.open({ results: [{ ...result, id: 'walker-1', text: 'Something else.' }] });
    expect(await other.searchArchive({ text: 'zebra' })).toEqual([]);
    expect(await other.read('archive:climber-7')).toBeNull();
  });

  it('shows nothing of sources that the reader may not see, and says what was asked in vain', async () => {
    const { library } = libraryOf();
    const reading = library.open({ sources: ['archive'], budget: { searches: 2, reads: 1, itemsPerSearch: 3 } });
    expect(await reading.searchLiterature({ text: 'attention' })).toEqual([]);
    expect(await reading.read('corpus:jamba')).toBeNull();
    expect(reading.readings).toEqual([
      { how: 'search-literature', query: 'attention', found: [] },
      { how: 'read', query: 'corpus:jamba', found: [] },
    ]);
    expect(reading.left).toEqual({ searches: 1, reads: 0, itemsPerSearch: 3 });
  });

  it('a service that fails costs its own answers and a line (LIB-3)', async () => {
    const failing = (thrown: Error): OnlineSource => ({
      name: 'openalex',
      kind: 'paper',
      search: () => Promise.reject(thrown),
    });
    const { library, lines } = libraryOf({
      sources: [
        failing(new MalformedAnswerError('OpenAlex', 'not JSON')),
        failing(new OfflineError('api.openalex.org', 1)),
        failing(new Error('bug')),
      ],
    });
    expect(await library.open().searchLiterature(query)).toHaveLength(6);
    // That there is no network is the client's to say.
    expect(lines.map(({ code }) => code)).toEqual(['literature-malformed', 'unknown']);
  });

  it('a thought that is given up ends', async () => {
    const given = new AbortController();
    const hanging: OnlineSource = {
      name: 'arxiv',
      kind: 'paper',
      search: ({ signal }) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    };
    const reading = libraryOf({ sources: [hanging] })
      .library.open()
      .searchLiterature(query, given.signal);
    given.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });

  it('texts are clean and of bounded length', async () => {
    const long = documentOf('arxiv:2400.00001', {
      title: `Zebra\u202e${'x'.repeat(5000)}`,
      abstract: `zebra\u200b ${'ü'.repeat(20_000)}`,
      body: 'y'.repeat(20_000),
    });
    const { library } = libraryOf({ sources: [answering([long])] });
    const reading = library.open();
    const [item] = await reading.searchLiterature({ text: 'zebra', sources: ['arxiv'] });
    expect(itemSchema.parse(item).snippet.length).toBeLessThanOrEqual(600);
    const text = await reading.read('arxiv:2400.00001');
    expect(Buffer.byteLength(text?.text ?? '')).toBeLessThanOrEqual(textCap);
    expect(text?.truncated).toBe(true);
    expect(text?.text).not.toMatch(/[\u200b\u202e]/);
  });
});

describe('the whole library', () => {
  const opened = async (more: Partial<OnlineOptions> = {}) => {
    const time = new ManualTime();
    const feed = (id: string) =>
      `<feed><entry><id>http://arxiv.org/abs/${id}v1</id><published>2024-01-01</published><title>Zebra ${id}</title><summary>stripes</summary></entry></feed>`;
    const arxiv = await service(time, (_, response) => response.end(feed('2401.00001')));
    const silent = await service(time, (_, response) => response.writeHead(503).end());
    const bases = { arxiv: arxiv.url, semanticScholar: silent.url, openAlex: silent.url, github: silent.url };
    const { log, lines } = listeningLog();
    const setting: OnlineOptions = {
      cacheDirectory: temporaryFolder(),
      userAgent: 'aira/test',
      keys: {},
      offline: false,
      codeLicences: 'permissive',
      clock: time,
      timers: time,
      log,
      bases,
      ...more,
    };
    const open = (changes: Partial<OnlineOptions> = {}) => {
      const library = openOnlineLibrary({ ...setting, ...changes });
      onTestFinished(() => library.close());
      return library;
    };
    return { time, open, lines, arxiv, silent };
  };
  const query = { text: 'zebra stripes' };

  it('asks its services, and offline still finds what was found before', async () => {
    const { time, open, arxiv, lines } = await opened();
    const online = open();
    const found = await time.drive(online.open().searchLiterature(query));
    expect(found.map(({ id }) => id)).toContain('arxiv:2401.00001');
    // The two that are out of order cost a line each.
    expect(lines.map(({ source, code }) => [source, code])).toEqual([
      ['semantic-scholar', 'literature-busy'],
      ['openalex', 'literature-busy'],
    ]);
    online.close();
    const offline = open({ offline: true });
    const again = await offline.open().searchLiterature({ text: 'stripes of a zebra' });
    expect(again.map(({ id }) => id)).toContain('arxiv:2401.00001');
    expect(arxiv.asked).toHaveLength(1);
  });

  it('asks GitHub only with a token', async () => {
    const { time, open, silent } = await opened();
    await time.drive(open().open().searchCode(query));
    expect(silent.asked).toHaveLength(0);
    await time.drive(
      open({ keys: { github: 'ghp_x' } })
        .open()
        .searchCode(query),
    );
    expect(silent.asked.map(({ path }) => path)).toContain('/search/code');
  });

  it('works without a writable cache, and says so', async () => {
    const { time, open, lines } = await opened({ cacheDirectory: '/dev/null/nowhere' });
    const found = await time.drive(open().open().searchLiterature(query));
    expect(found.map(({ id }) => id)).toContain('arxiv:2401.00001');
    expect(lines[0]?.msg).toBe('cannot write the literature cache; online finds are not stored');
  });
});
