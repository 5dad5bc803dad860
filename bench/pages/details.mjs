// What the API answers about one node, one agent, and what a search read: the contract of `src/views/apiDetail.ts`.
import { agentRow, mention, models, nodeRow, parentsOf, rungs, timeOf } from './search.mjs';
import { fullSize } from './sections.mjs';
import { attacks, long, program, round, runLength, trace } from './texts.mjs';
import { version } from './world.mjs';

/** @typedef {import('./world.mjs').World} World */

const about = (/** @type {World} */ world) => ({
  version,
  sequence: world.sequence,
  search: world.id,
  metric: world.metric,
  lowerIsBetter: world.lower,
});

function candidateOf(/** @type {World} */ world, /** @type {any} */ node) {
  if (!world.design)
    return { kind: 'stack', layers: node.layers, short: runLength(node.layers), text: long(node.layers.join(' ')) };
  const width = 64 + 16 * (node.index % 4);
  const text = program(width, 0.001 * (1 + (node.index % 7)), node.index % 2 === 1);
  const files = [
    {
      name: world.say('train.py'),
      ...long(world.hostile ? `${text}# ${attacks.join('\n# ')}\n# ${'x'.repeat(1_000_000)}\n` : text),
    },
  ];
  return { kind: 'program', files };
}

export function nodeDetail(/** @type {World} */ world, /** @type {string} */ id) {
  const node = world.nodes.find((each) => each.id === id);
  if (!node) return null;
  const parent = node.parent >= 0 ? world.nodes[node.parent] : null;
  const children = world.nodes.filter((each) => each.parent === node.index || each.second === node.index);
  const curve = Array.from({ length: 24 }, (_, at) => [
    (at + 1) * 50,
    round((node.score ?? 0.4) * (1 - 0.6 * Math.exp(-at / 6))),
  ]);
  const done = node.status === 'evaluated';
  const evaluation = (/** @type {number} */ seed, /** @type {number} */ rung) => ({
    key: `${node.id}-${rung}-${seed}`,
    seed,
    status: done ? 'ok' : 'failed',
    score: node.score === null ? null : round(node.score + 0.004 * ((seed % 3) - 1)),
    reason: done ? null : 'out-of-memory',
    message: done ? null : long(world.say(world.hostile ? `${trace}${'y'.repeat(1_000_000)}` : trace)),
    taskScores:
      done && !world.design
        ? {
            recall: { accuracy: node.score },
            copying: { accuracy: round(node.score * 1.02) },
            compression: { accuracy: round(node.score * 0.93) },
          }
        : {},
    floors: world.design ? {} : { recall: 0.0625, copying: 0.0625, compression: 0.0625 },
    curve: done ? curve : [],
    parameters: node.parameters,
    flops: node.flops,
    peakMemoryBytes: 412_000_000,
    durationMs: 8200,
    worker: 'worker-1',
    device: 'cpu',
    cached: node.cached,
    unsafe: false,
    starts: 1,
    requestedAt: timeOf(node.proposedAt),
    finishedAt: timeOf(node.evaluatedAt),
  });
  const tried = done || node.status === 'failed';
  const chats = node.agent !== 'reference' && world.agents.indexOf(node.agent) % 3 > 0;
  return {
    ...about(world),
    node: nodeRow(world, node),
    candidate: candidateOf(world, node),
    parents: parentsOf(world, node).map((each) => mention(each)),
    children: children.slice(0, 60).map((each) => mention(each)),
    bases: [
      ...(parent ? [{ of: 'parent', node: parent.id, candidate: candidateOf(world, parent) }] : []),
      { of: 'baseline', node: 'reference-1', candidate: candidateOf(world, world.nodes[0]) },
    ],
    rationale: {
      choice: long(
        world.say(parent ? `best so far: ${parent.id}` : 'a fresh start, since the last five attempts gained nothing'),
      ),
      change: long(nodeRow(world, node).change),
      hypothesis: long(world.say('attention early, where the sequence is still raw, and state space layers above it')),
      expected: node.score === null ? null : round(node.score + 0.01),
      model: models[1],
      evidence: parent ? [parent.id] : [],
    },
    fullSize: done && !world.design ? fullSize(node.id, runLength(node.layers)) : null,
    lesson: done ? long(world.say('recall gains from the second attention layer; compression does not')) : null,
    message: node.status === 'rejected' ? long(world.say('the architecture has 15 layers; this task needs 16')) : null,
    rungs: tried
      ? rungs.slice(0, Math.max(1, node.rung + 1)).map((rung, at) => ({
          rung,
          mean: node.score,
          sd: at > 0 ? 0.004 : null,
          evaluations: Array.from({ length: at + 1 }, (_, seed) => evaluation(1000 * at + seed + 1, at)),
        }))
      : [],
    attempt: {
      ordinal: node.agent === 'reference' ? null : node.attempt,
      thought: chats && node.attempt > 1 ? { node: `${node.agent}-${node.attempt - 1}`, place: 2, of: 2 } : null,
      calls: chats
        ? [
            {
              purpose: 'propose',
              model: models[1],
              served: 'gpt-5.4-mini-2026-09-01',
              outcome: 'ok',
              message: null,
              inputTokens: 4210,
              cachedTokens: 3072,
              writtenTokens: 0,
              outputTokens: 988,
              costUsd: node.costUsd,
              estimated: false,
              latencyMs: 6400,
              at: timeOf(node.proposedAt - 7000),
            },
          ]
        : [],
      rounds: chats
        ? [
            {
              purpose: 'propose',
              round: 1,
              model: models[1],
              kind: 'answer',
              messages: [
                {
                  role: 'system',
                  ...long(world.say('You search for neural architectures. Answer with one candidate and say why.')),
                },
                {
                  role: 'user',
                  ...long(world.say(`The best node so far is ${parent?.id ?? 'none'}. Propose the next candidate.`)),
                },
              ],
              reasoning: long(world.say('The recall task is the weakest. An early attention layer usually helps it.')),
              answer: null,
              toolCalls: [
                { name: 'search_literature', arguments: long('{"query": "hybrid attention state space placement"}') },
              ],
              finish: 'tool_calls',
            },
            {
              purpose: 'propose',
              round: 2,
              model: models[1],
              kind: 'answer',
              messages: [],
              reasoning: null,
              answer: long(
                world.say(
                  `{"candidate": "${runLength(node.layers)}", "why": "one attention layer in the first quarter"}`,
                ),
              ),
              toolCalls: [],
              finish: 'stop',
            },
          ]
        : [],
      roundsMissing: null,
      tried: [],
      readings: chats
        ? [
            {
              how: 'model',
              query: world.say('hybrid attention state space placement'),
              found: [
                {
                  id: 'note:jamba',
                  title: world.say('Jamba: one attention layer in eight'),
                  url: world.hostile ? 'javascript:window.attacked=1' : 'https://arxiv.org/abs/2403.19887',
                  cited: true,
                },
                {
                  id: 'note:mad',
                  title: 'Mechanistic design and scaling of hybrid architectures',
                  url: null,
                  cited: false,
                },
              ],
              failed: null,
            },
          ]
        : [],
    },
  };
}

export function agentDetail(/** @type {World} */ world, /** @type {string} */ name) {
  const own = world.nodes.filter((node) => node.agent === name);
  if (own.length === 0) return null;
  const sign = world.lower ? -1 : 1;
  const effect = (/** @type {any} */ node) =>
    node.score !== null && node.parent >= 0 && world.nodes[node.parent].score !== null
      ? round(sign * (node.score - world.nodes[node.parent].score))
      : null;
  const novelty = (/** @type {any} */ node) =>
    node.status === 'rejected'
      ? null
      : round(0.08 + 0.5 * Math.exp(-node.attempt / 30) + 0.05 * Math.sin(node.attempt));
  const taken = own.filter((node) => node.second >= 0 && world.nodes[node.second].agent !== name);
  return {
    ...about(world),
    agent: agentRow(world, name, own),
    spec: long(JSON.stringify({ name, model: models[0], scaffold: 'greedy' }, null, 2)),
    timeline: own.slice(-1000).map((node) => ({
      ...mention(node),
      index: node.index,
      attempt: node.attempt,
      parents: nodeRow(world, node).parents,
      short: world.short(node),
      change: nodeRow(world, node).change,
      proposedAt: timeOf(node.proposedAt),
      evaluatedAt: timeOf(node.evaluatedAt),
      effect: effect(node),
      novelty: novelty(node),
      costUsd: node.costUsd,
    })),
    exploration: own.flatMap((node) => {
      const share = novelty(node);
      return share === null ? [] : [{ attempt: node.attempt, share }];
    }),
    operators: ['draft', 'improve', 'crossover'].map((operator) => {
      const used = own.filter((node) => node.operator === operator);
      const compared = used.map(effect).filter((each) => each !== null);
      return {
        operator,
        used: used.length,
        scored: used.filter((node) => node.score !== null).length,
        compared: compared.length,
        improved: compared.filter((each) => each > 0).length,
        meanEffect: compared.length > 0 ? round(compared.reduce((sum, each) => sum + each, 0) / compared.length) : null,
      };
    }),
    exchanges: taken.slice(-500).map((node) => ({
      node: node.id,
      from: world.nodes[node.second].id,
      fromAgent: world.nodes[node.second].agent,
      how: 'parent',
      direction: 'taken',
    })),
    exchanged: taken.length,
    spending: [
      {
        model: models[1],
        purpose: 'propose',
        failed: 1,
        calls: own.length,
        tokens: own.length * 5200,
        costUsd: 0.41,
      },
    ],
  };
}

export function literature(/** @type {World} */ world) {
  return {
    version,
    sequence: world.sequence,
    agents: world.agents.slice(0, 3).map((agent, at) => ({
      agent,
      attempts: 40,
      failed: at === 2 ? 3 : 0,
      failure: at === 2 ? world.say('arXiv answered 503') : null,
      sources:
        at === 0
          ? []
          : [
              {
                source: at === 1 ? 'corpus' : 'arxiv',
                works: 21 + at,
                retrieved: 38,
                cited: 22,
                changed: 15,
                compared: 13,
                improved: 6 + at,
              },
            ],
      withoutCitation: { compared: 18, improved: 6 },
    })),
    works: [
      {
        id: 'note:jamba',
        title: world.say('Jamba: one attention layer in eight'),
        url: 'https://arxiv.org/abs/2403.19887',
        shown: 18,
        cited: 9,
        improved: 4,
        nodes: world.nodes.slice(4, 9).map((node) => mention(node)),
      },
      {
        id: 'note:mad',
        title: 'Mechanistic design and scaling of hybrid architectures',
        url: null,
        shown: 12,
        cited: 3,
        improved: 1,
        nodes: world.nodes.slice(10, 12).map((node) => mention(node)),
      },
    ],
  };
}
