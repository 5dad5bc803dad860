import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseArchitecture, primitives } from '../../src/domain/architecture.ts';
import { appliesTo, hintFit, stretched } from '../../src/domain/literature.ts';
import { corpusDirectory, indexedDocumentSchema, loadCorpus, noteDocument } from '../../src/literature/corpus.ts';
import { temporaryFolder } from '../support/home.ts';

const corpus = loadCorpus();
const papers = corpus.notes.filter((note) => note.kind === 'paper');

describe('the notes that come with Aira', () => {
  it('are on at least 90 papers and 25 code bases, in files that one can read through', () => {
    expect(papers.length).toBeGreaterThanOrEqual(90);
    expect(corpus.notes.length - papers.length).toBeGreaterThanOrEqual(25);
    for (const name of readdirSync(corpusDirectory)) {
      expect(readFileSync(join(corpusDirectory, name), 'utf8').split('\n').length, name).toBeLessThanOrEqual(300);
    }
  });

  it('cover the topics that a designer of architectures reads about', () => {
    const topics = new Set(corpus.notes.map(({ topic }) => topic));
    for (const topic of [
      'attention',
      'linear-attention',
      'state-space',
      'hybrids',
      'mlp-moe',
      'position',
      'norm-residual',
      'optimisers',
      'scaling',
      'architecture-search',
      'benchmarks',
      'small-models',
    ]) {
      expect(topics).toContain(topic);
    }
  });

  it('say where each work can be read, and no id is later than the note', () => {
    for (const note of papers) {
      expect(noteDocument(note).url, note.id).toMatch(/^https:\/\//);
      if (note.arxiv && /^\d{4}\./.test(note.arxiv)) {
        const year = 2000 + Number(note.arxiv.slice(0, 2));
        // A paper may be cited by the year of its publication, at most one after the preprint.
        expect(note.year - year, note.id).toBeGreaterThanOrEqual(0);
        expect(note.year - year, note.id).toBeLessThanOrEqual(1);
        expect(`20${note.arxiv.slice(0, 2)}-${note.arxiv.slice(2, 4)}` <= note.written.slice(0, 7), note.id).toBe(true);
      }
    }
  });

  it('fit the index', () => {
    for (const note of corpus.notes)
      expect(indexedDocumentSchema.parse(noteDocument(note)).id).toBe(`corpus:${note.id}`);
  });

  it('carry hints that a 16-layer architecture can follow, each of them', () => {
    const space = { kind: 'stack' as const, layers: 16, primitives: [...primitives] };
    const hinted = corpus.notes.filter(({ hints }) => hints.length > 0);
    expect(hinted.length).toBeGreaterThanOrEqual(25);
    const probes = [
      ...hinted.flatMap(({ hints }) => hints.flatMap((hint) => (hint.kind === 'pattern' ? [hint.layers] : []))),
      ...['16M', '16mA', '16Mb', '8mA+8M', '8Mb+8mA', '4Mb+8mA+4M', '6M+4mA+6M', '4M+2mA+4M+2mA+4M'],
      ...[
        'Mb M mA M',
        'Mb M Mb M Mb M Mb M mA M Mb M Mb M Mb M',
        'mA M',
        'Mb mA M Mb',
        'Mb Mb Mb mA',
        'M mA M M',
        'Mb M Mb M Mb M Mb M mA M Mb M Mb M Mb M Mb M Mb M Mb M',
      ],
      ...[
        'mA M M M M M M M mA M M M M M M M',
        'Mb mA Mb Mb Mb mA Mb Mb',
        'mA Mb mA Mb mA Mb M M M M M M M M',
        'M M mA',
        'M Mb Mb Mb Mb Mb mA Mb M',
        '7mA+9M',
        '1mA+15M',
      ],
    ].map((text) => stretched(parseArchitecture(text), 16));
    for (const { id, hints } of hinted) {
      for (const hint of hints) {
        expect(appliesTo(hint, space), id).toBe(true);
        const fits = probes.map((probe) => hintFit(probe, hint));
        expect(Math.max(...fits), `${id}: ${JSON.stringify(hint)}`).toBeGreaterThan(0.75);
        expect(Math.min(...fits), `${id}: ${JSON.stringify(hint)}`).toBeLessThan(0.75);
      }
    }
  });

  it('have a version that changes with them', () => {
    const copy = temporaryFolder();
    cpSync(corpusDirectory, copy, { recursive: true });
    expect(loadCorpus(copy).version).toBe(corpus.version);
    const path = join(copy, 'hybrids.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('low: 0.125', 'low: 0.12'));
    expect(loadCorpus(copy).version).not.toBe(corpus.version);
  });
});

describe('notes of the user as JSON Lines and Markdown', () => {
  const summary = 'Averages were compared with attention at equal cost. '.repeat(9);
  const note = {
    ...{ topic: 'mine', written: '2026-11-29', kind: 'paper', id: 'averages', title: 'Averages before attention' },
    ...{ authors: ['A. Author'], year: 2026, arxiv: '2611.00001', findings: ['Two of three layers may average.'] },
    applies: 'when attention is scarce',
  };
  const folderOf = (files: Readonly<Record<string, string>>) => {
    const folder = temporaryFolder();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  };
  const markdown = (keys: object, text = summary) => `---\n${stringify(keys)}---\n\n${text}\n`;
  const own = (files: Readonly<Record<string, string>>) => loadCorpus(folderOf({}), folderOf(files)).notes;

  it('are the notes that YAML files would hold, and change the version', () => {
    const { topic, written, ...rest } = note;
    const yaml = stringify({ topic, written, notes: [{ ...rest, summary }] });
    const [expected] = own({ 'mine.yaml': yaml });
    expect(expected).toMatchObject({ id: 'averages', summary: summary.trim(), certainty: 'sure' });
    expect(own({ 'any.jsonl': `${JSON.stringify({ ...note, summary })}\n\n` })).toEqual([expected]);
    expect(own({ 'any name.md': markdown(note), 'README.md': '# not a note', 'figure.png': '' })).toEqual([expected]);
    const folder = folderOf({ 'mine.md': markdown(note) });
    expect(loadCorpus(corpusDirectory, folder).version).not.toBe(corpus.version);
  });

  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ['a line that is no JSON', { 'a.jsonl': '{"kind": ' }, /a\.jsonl, line 1: /],
    [
      'a key that is none',
      { 'a.jsonl': `\n${JSON.stringify({ ...note, summary, aplies: 1 })}` },
      /a\.jsonl, line 2: .*did you mean "applies"/,
    ],
    ['no date', { 'a.jsonl': JSON.stringify({ ...note, summary, written: undefined }) }, /line 1: written/],
    ['a short text', { 'a.md': markdown(note, 'Too short.') }, /a\.md: summary: .*60 to 150 words/],
    ['no keys', { 'a.md': '# Averages\n' }, /does not begin with the keys of a note/],
    ['a summary among the keys', { 'a.md': markdown({ ...note, summary }) }, /the summary is the text below the keys/],
    ['one id twice', { 'a.md': markdown(note), 'b.md': markdown(note) }, /id averages is already in/],
  ])('with %s are refused, by file and line', (_, files, message) => {
    expect(() => own(files)).toThrow(message);
  });
});

describe('a note that is not right', () => {
  const good = readFileSync(join(corpusDirectory, 'position.yaml'), 'utf8');
  const loaded = (change: (text: string) => string, name = 'position.yaml') => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, name), change(good));
    return () => loadCorpus(folder);
  };

  it.each<[string, (text: string) => string, RegExp]>([
    ['an unknown key', (text) => text.replace('applies:', 'aplies:'), /did you mean "applies"/],
    ['an invented id', (text) => text.replace('"2104.09864"', '"2113.09864"'), /an arXiv id without version/],
    ['a short summary', (text) => text.replace(/summary: >-\n( {6}.*\n)+/, 'summary: too short\n'), /60 to 150 words/],
    [
      'a foreign primitive in a hint',
      (text) => text.replace('    applies:', '    hints: [{ kind: spread, primitive: X }]\n    applies:'),
      /position\.yaml/,
    ],
    [
      'a share that cannot be',
      (text) =>
        text.replace(
          '    applies:',
          '    hints: [{ kind: share, primitive: M, of: layers, low: 0.9, high: 0.1 }]\n    applies:',
        ),
      /low must not be above high/,
    ],
    ['broken YAML', (text) => `${text}\n  - ][`, /position\.yaml/],
    [
      'the same work twice',
      (text) => text.replace('"2108.12409"', '"2104.09864"'),
      /arXiv 2104\.09864 is already in position\.yaml/,
    ],
  ])('with %s is refused, by file and place', (_, change, message) => {
    expect(change(good)).not.toBe(good);
    expect(loaded(change)).toThrow(message);
  });

  it('in a file of another topic is refused', () => {
    expect(loaded((text) => text, 'else.yaml')).toThrow('its topic is "position"');
    expect(() => loadCorpus('/nonexistent')).toThrow(/nonexistent/);
  });
});
