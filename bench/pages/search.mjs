// What the API answers about a search as a whole and about its nodes in rows: the contract of `src/views/apiSearch.ts`.
import { long, round, runLength } from './texts.mjs';
import { started, version } from './world.mjs';

/** @typedef {import('./world.mjs').World} World */

const scaffolds = ['greedy', 'mcts', 'evolutionary', 'one-shot'];
export const models = ['local/prior', 'openai/gpt-5.4-mini', 'anthropic/claude-haiku-5-5'];
const statuses = ['pending', 'evaluated', 'failed', 'rejected', 'duplicate'];
const operators = ['draft', 'improve', 'crossover', 'debug', 'reference', 'aggregate'];
export const rungs = ['screen', 'confirm', 'final'];

/** A score with what lies `half` to either side. */
const around = (/** @type {number} */ score, /** @type {number} */ half) => ({ low: score - half, high: score + half });
const costOf = (/** @type {any[]} */ nodes) => round(nodes.reduce((sum, node) => sum + node.costUsd, 0));
/** A time of the world as one of the API. @param {number | null} ms */
export const timeOf = (ms) => (ms === null ? null : started + ms);
export const parentsOf = (/** @type {World} */ world, /** @type {any} */ node) =>
  [node.parent, node.second].filter((at) => at >= 0).map((at) => world.nodes[at]);

function countsOf(/** @type {any[]} */ nodes) {
  const of = (/** @type {string} */ status) => nodes.filter((node) => node.status === status).length;
  return {
    proposed: nodes.length,
    evaluated: of('evaluated'),
    failed: of('failed'),
    rejected: of('rejected'),
    duplicate: of('duplicate'),
    pending: of('pending'),
    cached: nodes.filter((node) => node.cached && node.status === 'evaluated').length,
  };
}

export function searchRow(/** @type {World} */ world) {
  const best = world.best();
  const last = world.nodes.at(-1);
  return {
    id: world.id,
    task: world.say(world.design ? 'design-nano' : 'compose-mad'),
    profile: 'nano',
    workflow: world.design ? 'design' : 'compose',
    metric: world.metric,
    lowerIsBetter: world.lower,
    phase: world.status === 'finished' ? 'finished' : 'screening',
    status: world.status,
    startedAt: started,
    endedAt: world.status === 'finished' ? started + last.proposedAt + 30_000 : null,
    elapsedMs: last.proposedAt + 30_000,
    ending: null,
    best: best && {
      node: best.id,
      short: world.short(best),
      rung: rungs[best.rung],
      score: best.rungScore,
      seeds: best.rung + 1,
      interval: around(best.rungScore, 0.011),
    },
    nodes: world.nodes.length,
    spent: {
      evaluations: world.proposals,
      deviceSeconds: world.proposals * 11.4,
      calls: Math.floor(world.proposals * 1.4),
      tokens: world.proposals * 5200,
      costUsd: costOf(world.nodes),
    },
  };
}

export function agentRow(/** @type {World} */ world, /** @type {string} */ name, /** @type {any[]} */ own) {
  const at = world.agents.indexOf(name);
  let best = null;
  for (const node of own) if (node.score !== null && (!best || world.better(node.score, best.score))) best = node;
  const state = world.status === 'finished' ? 'ended' : at === 2 ? 'waiting' : at === 4 ? 'ended' : 'working';
  return {
    name,
    model: models[at % 3],
    scaffold: scaffolds[at % 4],
    memory: at % 2 === 0 ? 'own' : 'ensemble',
    evaluations: Math.ceil(world.proposals / world.agents.length) + 8,
    state,
    why:
      state === 'waiting'
        ? world.say('waits for the results of attempts 8 and 9')
        : state === 'ended'
          ? world.say('its evaluations are used')
          : null,
    endCode: state === 'ended' ? 'budget-used' : null,
    best: best && { node: best.id, score: best.score },
    counts: countsOf(own),
    spent: {
      calls: own.length,
      tokens: own.length * 5200,
      costUsd: costOf(own),
    },
  };
}

/** Nodes of each agent, in order. */
function byAgent(/** @type {World} */ world) {
  const map = new Map(world.agents.map((name) => [name, /** @type {any[]} */ ([])]));
  for (const node of world.nodes) map.get(node.agent)?.push(node);
  return map;
}

export function overview(/** @type {World} */ world) {
  const counts = countsOf(world.nodes.filter((node) => node.operator !== 'reference'));
  const best = world.best();
  const references = world.nodes.filter((node) => node.operator === 'reference');
  const of = (/** @type {number} */ rung) => world.nodes.filter((node) => node.rung >= rung).length;
  return {
    version,
    sequence: world.sequence,
    search: searchRow(world),
    goal: {
      description: world.say(
        world.design
          ? 'Write the model and the training loop of a small language model that reaches the lowest bits per byte in two minutes.'
          : 'Arrange 16 layers of three kinds so that a small model does well on six synthetic tasks of mechanistic architecture design.',
      ),
      space: world.design ? 'program' : 'stack',
      layers: world.design ? null : world.layers,
      primitives: world.design
        ? []
        : [
            { name: 'M', meaning: 'SwiGLU MLP', colour: null },
            { name: 'mA', meaning: 'multi-head attention', colour: null },
            { name: 'Mb', meaning: 'Mamba-2', colour: null },
          ],
      seed: 1,
      deviceClass: 'cpu',
      evaluator: 'native-2b7e1516',
      taskVersion: 'e3b0c442',
      searchFile: long(
        world.say(
          `task: ${world.design ? 'design-nano' : 'compose-mad'}\nprofile: nano\nbudget: { evaluations: ${world.proposals}, minutes: 60 }\n`,
        ),
      ),
    },
    references: references.map((node) => ({
      node: node.id,
      name: node.name,
      short: world.short(node),
      rung: 'final',
      score: node.rungScore,
      seeds: 3,
      interval: around(node.rungScore, 0.012),
    })),
    comparisons: best
      ? references.map((node, at) => ({
          contender: world.design ? best.id : `finalist ${best.id}`,
          reference: node.name,
          rung: 'final',
          pairs: 5,
          difference: round(0.03 - 0.012 * at),
          interval: { low: round(0.018 - 0.014 * at), high: round(0.042 - 0.01 * at) },
          level: 0.983,
          verdict: at < 2 ? 'better' : 'even',
          why: null,
        }))
      : [],
    floors: [{ name: 'guessing', rung: 'screen', score: world.lower ? 8 : 0.0625 }],
    budget: [
      { unit: 'evaluations', limit: world.proposals + 40, used: world.proposals, left: 40 },
      { unit: 'minutes', limit: 90, used: 41.2, left: 48.8 },
      { unit: 'deviceSeconds', limit: null, used: world.proposals * 11.4, left: null },
      { unit: 'costUsd', limit: 5, used: 1.37, left: 3.63 },
      { unit: 'tokens', limit: null, used: world.proposals * 5200, left: null },
    ],
    forecast: { remainingMs: world.status === 'finished' ? null : 1_860_000, basis: 'at 31 trainings a minute' },
    agents: [...byAgent(world)].map(([name, own]) => agentRow(world, name, own)),
    devices: { workers: 4, training: world.status === 'finished' ? 0 : 3, busy: 0.87 },
    counts,
    rungs: [
      {
        rung: 'screen',
        pending: 0,
        evaluated: of(0),
        failed: counts.failed,
        cached: counts.cached,
        meanSeconds: 8.2,
      },
      { rung: 'confirm', pending: 2, evaluated: of(1), failed: 0, cached: 1, meanSeconds: 31 },
      { rung: 'final', pending: 0, evaluated: of(2), failed: 0, cached: 0, meanSeconds: 66 },
    ],
    claims:
      world.status === 'finished' && best
        ? [
            {
              sentence: world.say(
                `${best.id} is better than Transformer by 0.030 [0.018, 0.042] on five paired seeds.`,
              ),
              estimate: 0.03,
              interval: { low: 0.018, high: 0.042 },
              method: 'paired difference on the final rung',
            },
          ]
        : [],
    endings: [
      {
        of: 'agent',
        subject: world.agents.at(-1) ?? '',
        reason: 'budget-used',
        sentence: world.say('its evaluations are used'),
        at: started + 900_000,
      },
    ],
    phases: [{ phase: 'screening', at: started }],
    rulings: world.rulings,
  };
}

export function nodeRow(/** @type {World} */ world, /** @type {any} */ node) {
  const of = (/** @type {number} */ rung) =>
    node.rung >= rung ? (rung === node.rung ? node.rungScore : node.score) : null;
  return {
    index: node.index,
    id: node.id,
    agent: node.agent,
    attempt: node.attempt,
    operator: node.operator,
    name: node.name,
    parents: parentsOf(world, node).map(({ id }) => id),
    status: node.status,
    reason: node.status === 'failed' ? 'out-of-memory' : null,
    short: world.short(node),
    change: world.say(
      world.design
        ? `gates the mixer and sets the rate to ${(0.001 * (1 + (node.index % 7))).toFixed(4)}`
        : `layer ${node.index % 16} becomes ${node.layers[node.index % 16]}`,
    ),
    scores: { screen: node.score, confirm: of(1), final: of(2) },
    rung: node.rung >= 0 ? rungs[node.rung] : null,
    parameters: node.parameters,
    flops: node.flops,
    durationMs: node.evaluatedAt === null ? null : node.evaluatedAt - node.proposedAt,
    costUsd: node.costUsd,
    cached: node.cached,
    vetoed: world.isVetoed(node),
    proposedAt: timeOf(node.proposedAt),
    evaluatedAt: timeOf(node.evaluatedAt),
  };
}

export function nodesPage(
  /** @type {World} */ world,
  /** @type {Record<string, string>} */ {
    sort = 'sequence',
    direction = 'ascending',
    after,
    limit = '50',
    agent,
    operator,
    status,
    rung,
    q,
  },
) {
  const words = (q ?? '').toLowerCase();
  const rows = world.nodes.filter(
    (node) =>
      (!agent || node.agent === agent) &&
      (!operator || node.operator === operator) &&
      (!status || node.status === status) &&
      (!rung || (node.rung >= 0 && rungs[node.rung] === rung)) &&
      (!words ||
        `${node.id} ${runLength(node.layers)} ${node.layers.join(' ')} layer ${node.index % 16}`
          .toLowerCase()
          .includes(words)),
  );
  if (sort === 'score')
    rows.sort(
      (a, b) => (a.score ?? Number.NEGATIVE_INFINITY) - (b.score ?? Number.NEGATIVE_INFINITY) || a.index - b.index,
    );
  if (direction === 'descending') rows.reverse();
  const from = Number(after ?? 0);
  const end = from + Number(limit);
  return {
    version,
    sequence: world.sequence,
    rows: rows.slice(from, end).map((node) => nodeRow(world, node)),
    next: end < rows.length ? String(end) : null,
    total: rows.length,
  };
}

export function pointsAfter(/** @type {World} */ world, /** @type {number} */ after) {
  const nodes = after > 0 ? world.nodes.filter((node) => node.sequence > after) : world.nodes;
  const patterns = new Map();
  const agents = [...world.agents, 'reference'];
  const rank = new Map(agents.map((name, at) => [name, at]));
  const pattern = nodes.map((node) => {
    if (world.design) return -1;
    const text = runLength(node.layers);
    if (!patterns.has(text)) patterns.set(text, patterns.size);
    return patterns.get(text);
  });
  const column = (/** @type {string} */ name) => nodes.map((node) => node[name]);
  return {
    version,
    sequence: world.sequence,
    total: world.nodes.length,
    index: after > 0 ? column('index') : null,
    agents,
    statuses,
    operators,
    rungs,
    patterns: [...patterns.keys()],
    agent: nodes.map((node) => rank.get(node.agent)),
    attempt: column('attempt'),
    status: nodes.map((node) => statuses.indexOf(node.status)),
    operator: nodes.map((node) => operators.indexOf(node.operator)),
    parent: column('parent'),
    secondParent: column('second'),
    score: column('score'),
    rung: column('rung'),
    rungScore: column('rungScore'),
    parameters: column('parameters'),
    flops: column('flops'),
    costUsd: column('costUsd'),
    startedAt: started,
    proposedAt: column('proposedAt'),
    evaluatedAt: column('evaluatedAt'),
    pattern,
  };
}

export function mention(/** @type {any} */ node) {
  return { node: node.id, agent: node.agent, operator: node.operator, status: node.status, score: node.score };
}
