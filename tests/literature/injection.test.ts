import { describe, expect, it, onTestFinished } from 'vitest';
import { priorModel } from '../../src/agents/models/prior.ts';
import { operators } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { loadCorpus } from '../../src/literature/corpus.ts';
import { Library } from '../../src/literature/library.ts';
import { arxivSource, openAlexSource } from '../../src/literature/sources.ts';
import { space16, viewNode, viewOf } from '../agents/support.ts';
import { payloads } from './payloads.ts';
import { clientOf, json, listeningLog, ManualTime, service } from './support.ts';

const corpus = loadCorpus();
const escaped = (text: string) => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);

/** A library whose services answer every question with these texts, and whose lessons hold them as well. */
async function poisoned(texts: readonly string[]) {
  const time = new ManualTime();
  const entries = texts.map(
    (text, nth) =>
      `<entry><id>http://arxiv.org/abs/2401.${String(nth).padStart(5, '0')}v1</id><published>2024-01-01T00:00:00Z</published><title>Hybrid attention, Mamba and MLP ${nth}</title><summary>${escaped(text)}</summary><author><name>${escaped(text.slice(0, 80))}</name></author></entry>`,
  );
  const clean = (text: string) => text.replace(/[\p{Cc}\p{Cs}]/gu, ' ');
  const arxiv = await service(time, (_, response) => response.end(`<feed>${clean(entries.join(''))}</feed>`));
  const works = texts.map((text, nth) => ({
    id: `https://openalex.org/W${nth + 1}`,
    display_name: `${text} hybrid attention mamba mlp`,
    publication_year: 2024,
    abstract_inverted_index: Object.fromEntries(text.split(/\s+/).map((word, place) => [`${word} `, [place]])),
  }));
  const openAlex = await service(time, (_, response) => json(response, { results: works }));
  const { client } = clientOf(time);
  const library = new Library({
    corpus,
    log: listeningLog().log,
    sources: [arxivSource(client, arxiv.url), openAlexSource(client, null, openAlex.url)],
  });
  onTestFinished(() => library.close());
  const results = texts.map((text, nth) => ({ id: `lesson-${nth}`, title: text, text, author: 'climber' }));
  // Somebody searches everything, so that all of it lies on the shelf before a proposal is made.
  const found = await time.drive(library.open().searchLiterature({ text: 'hybrid attention mamba mlp placement' }));
  return { library, found, results };
}

const parents = ['6M 4mA 6Mb', '2mA 5M 2Mb 3M 1mA 3M'].map((text, nth) => {
  const layers = text.split(' ').flatMap((run) => {
    const [, count = '1', layer = 'M'] = /^(\d*)(\w+)$/.exec(run) ?? [];
    return Array<string>(Number(count)).fill(layer);
  });
  return viewNode(nth + 1, { fitness: 0.4 + nth / 10, candidate: layers.join(' ') });
});

async function proposals({ library, results }: Pick<Awaited<ReturnType<typeof poisoned>>, 'library' | 'results'>) {
  const model = priorModel((occasion) => library.open({ ...occasion, results }));
  const made = [];
  for (const operator of operators) {
    const wanted = operator === 'draft' ? [] : parents.slice(0, operator === 'improve' ? 1 : 2);
    for (let seed = 0; seed < 6; seed++) {
      made.push(
        await model.propose({ operator, parents: wanted, view: viewOf(parents), space: space16, rng: rngFor(seed) }),
      );
    }
  }
  return made;
}

describe('injected texts', () => {
  it('are at least twenty, all different', () => {
    expect(payloads.length).toBeGreaterThanOrEqual(20);
    expect(new Set(payloads.map(([, text]) => text)).size).toBe(payloads.length);
  });

  it('change no selection: proposals, reasons and citations are those of the control', async () => {
    const control = await poisoned(payloads.map((_, nth) => `An ordinary abstract on sequence models, number ${nth}.`));
    const attacked = await poisoned(payloads.map(([, text]) => text));
    const bare = new Library({ corpus, log: listeningLog().log });
    onTestFinished(() => bare.close());
    const wanted = await proposals(control);
    expect(new Set(wanted.map(({ candidate }) => candidate)).size).toBeGreaterThan(10);
    expect(wanted.every(({ evidence }) => (evidence?.length ?? 0) > 0)).toBe(true);
    expect(await proposals(attacked)).toEqual(wanted);
    expect(await proposals({ library: bare, results: [] })).toEqual(wanted);
  });

  it.each(payloads)('one by one: %s', async (_, text) => {
    const { library, found, results } = await poisoned([text]);
    // The attack did arrive: what a language model would be shown holds it, as text without hints.
    expect(found.some(({ source }) => source !== 'corpus')).toBe(true);
    for (const item of found) {
      if (item.source === 'corpus') continue;
      expect(item.hints).toEqual([]);
      expect(item.certainty).toBe('unverified');
      expect(`${item.title} ${item.snippet}`).not.toMatch(/\p{Default_Ignorable_Code_Point}|\p{Cf}|<!--/u);
    }
    const reading = library.open({ results });
    const notes = await reading.searchLiterature({ text: 'hybrid attention mamba mlp placement', sources: ['corpus'] });
    const { library: control } = await poisoned([]);
    expect(notes).toEqual(
      await control.open().searchLiterature({ text: 'hybrid attention mamba mlp placement', sources: ['corpus'] }),
    );
    // The index lives: nothing of the text was taken for a statement.
    expect(await reading.searchArchive({ text })).not.toHaveLength(0);
  });
});
