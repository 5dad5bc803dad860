import { createHash } from 'node:crypto';
import { rngFor } from '../../../src/domain/rng.ts';
import type { Asked, Called } from './wire.ts';

/**
 * A brain that reads its prompt: it arranges as many layers as it is told to, of the primitives that it is shown. Where it may
 * read, it searches once and reads the first thing that it finds, and cites it.
 */
export function proposer(asked: Asked): string | { calls: Called[] } {
  const shown = asked.messages.flatMap(({ results = [] }) => results.map(({ text }) => text));
  const [found] = shown.flatMap((text) => /<data source="([^"]+)">/.exec(text)?.[1] ?? []);
  if (asked.toolsOpen && shown.length === 0) {
    const query = JSON.stringify({ query: 'attention mamba hybrid ratio' });
    return {
      calls: [
        { name: 'search_code', arguments: query },
        { name: 'search_archive', arguments: query },
      ],
    };
  }
  if (asked.toolsOpen && found && shown.length === 2) {
    return { calls: [{ name: 'read', arguments: JSON.stringify({ id: found }) }] };
  }
  const last = asked.messages.at(-1)?.text ?? '';
  if (asked.system.includes('what it teaches')) {
    const asks = last.split('# Results to learn from')[1] ?? '';
    const nodes = [...asks.matchAll(/^- ([a-z0-9-]+) \(/gm)].map(([, node]) => node);
    return JSON.stringify({
      lessons: nodes.map((node) => ({ node, text: `attention helps less than thought in ${node}` })),
    });
  }
  const layers = Number(/arrange (\d+) layers/.exec(asked.system)?.[1]);
  const primitives = [...asked.system.matchAll(/^- (mA|Mb|M):/gm)].map(([, name]) => name as string);
  // What is sent at the end depends on the moment; a brain that answers by it would not be replayable.
  const question = asked.messages.map(({ text }) => text.split('Remaining budget')[0]).join('\n');
  const rng = rngFor(
    'brain',
    asked.model,
    createHash('sha256')
      .update(asked.system + question)
      .digest('hex'),
  );
  const reasons = {
    hypothesis: 'local mixing first',
    change: 'a new arrangement',
    expected_fitness: 0.5,
    evidence: found ? [found] : [],
  };
  const editing = asked.system.includes('prefer a few "edits"') || asked.system.includes('Prefer "edits"');
  const proposal = () => {
    const architecture = Array.from({ length: layers }, () => rng.pick(primitives)).join(' ');
    if (!editing) return { ...reasons, architecture };
    const edits = [0, 1].map(() => ({ layer: rng.below(layers), primitive: rng.pick(primitives) }));
    return { ...reasons, ...(rng.float() < 0.5 ? { architecture, edits: null } : { architecture: null, edits }) };
  };
  const several = /Give (\d) candidates/.exec(question)?.[1];
  if (several === undefined) return JSON.stringify(proposal());
  return JSON.stringify({ proposals: Array.from({ length: Number(several) }, proposal) });
}
