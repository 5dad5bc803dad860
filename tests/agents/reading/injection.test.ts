import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rngFor } from '../../../src/domain/rng.ts';
import { loadCorpus } from '../../../src/literature/corpus.ts';
import { Library } from '../../../src/literature/library.ts';
import { quiet } from '../../bus/support.ts';
import { payloads } from '../../literature/payloads.ts';
import { documentOf } from '../../literature/support.ts';
import { models } from '../../llm/support.ts';
import { startLlmServer } from '../../support/llm-server/server.ts';
import type { Asked } from '../../support/llm-server/wire.ts';
import { benchFor, call, find, has, proposal, reader, told } from './support.ts';

const corpus = loadCorpus();
const frame = /<data source="[^"\n]*">\n[\s\S]*?\n<\/data>/g;

/** All text that a model gets outside data frames, and its tools. */
const outside = ({ system, messages, tools }: Asked): string =>
  JSON.stringify([system, tools, messages.map(({ role, text }) => [role, text.replace(frame, '(data)')])]);

/** A brain that heeds what its prompt says of data: whatever stands outside of frames decides, and nothing else. */
function obedient(asked: Asked): string | { calls: ReturnType<typeof find>[] } {
  const rounds = asked.messages.filter(({ role }) => role === 'tools').length;
  if (rounds === 0) return { calls: [find('hybrid attention mamba mlp placement')] };
  if (rounds === 1) return { calls: [call('read', { id: 'arxiv:2401.00001' })] };
  const rng = rngFor('obedient', createHash('sha256').update(outside(asked)).digest('hex'));
  const layers = Array.from({ length: 16 }, () => rng.pick(['M', 'mA', 'Mb'] as const));
  return proposal(['arxiv:2401.00001'], layers.join(' '));
}

async function attacked(text: string, model: string) {
  const document = documentOf('arxiv:2401.00001', {
    title: `Hybrid attention, Mamba and MLP ${text}`.slice(0, 900),
    abstract: text,
    authors: [text.slice(0, 150)],
    licence: text.replace(/\s+/g, ' ').slice(0, 150),
    body: text,
  });
  const library = new Library({
    ...{ corpus, log: quiet },
    sources: [{ name: 'arxiv', kind: 'paper', search: async () => [document] }],
  });
  onTestFinished(() => library.close());
  const server = await startLlmServer({ brain: obedient });
  const literature = { sources: ['corpus', 'archive', 'arxiv'], searches: 2, reads: 1, items: 3, how: 'tools' };
  const spec = reader(server, model, { literature });
  const thought = await has(spec, benchFor(server, spec), { open: (occasion) => library.open(occasion) });
  expect(server.wrong).toEqual([]);
  return { thought, asked: server.served.map(({ asked }) => asked) };
}

describe('a text that attacks its reader', () => {
  const control = 'An ordinary abstract on sequence models.';

  it.each(payloads)('stays data in tool results, and changes no selection: %s', async (name, text) => {
    const model = models[payloads.findIndex(([each]) => each === name) % models.length] as string;
    const before = await attacked(control, model);
    const { thought, asked } = await attacked(text, model);
    // It arrived, in frames, and nothing stands outside of them that would not stand there otherwise.
    const results = told(asked.at(-1) as Asked);
    expect(results.join()).toContain('<data source="arxiv:2401.00001">');
    for (const result of results) {
      const rest = result.replace(frame, '').trim();
      expect(rest.split('\n').filter((line) => line !== '' && !line.startsWith('Remaining budget'))).toEqual([]);
      expect(result).not.toMatch(/(?!\n)[\p{Cf}\p{Default_Ignorable_Code_Point}\p{Cc}]/u);
    }
    expect(asked.map(outside)).toEqual(before.asked.map(outside));
    const { candidate, operator, parents, rationale } = thought;
    const { rationale: usual, ...rest } = before.thought;
    expect({ candidate, operator, parents }).toEqual(rest);
    expect([rationale.choice, rationale.evidence]).toEqual([usual.choice, usual.evidence]);
  });
});
