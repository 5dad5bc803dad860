// A made-up lab behind the dashboard's API, of any size: what the browser benchmark and the browser tests show on the pages.
// Every figure is invented and a function of the seed. `tests/browser/world.test.ts` checks all answers against the schemas
// of `src/views`.

const version = 1;
const started = Date.UTC(2026, 10, 20, 9, 0, 0);
const day = 86_400_000;

/** Uniform numbers in [0, 1) (mulberry32). @param {number} seed */
export function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const names = ['climber', 'treetop', 'islander', 'composer', 'chance', 'reader', 'drifter', 'mason'];
const scaffolds = ['greedy', 'mcts', 'evolutionary', 'one-shot'];
const models = ['local/prior', 'openai/gpt-5.4-mini', 'anthropic/claude-haiku-5-5'];
const kinds = ['M', 'mA', 'Mb'];
const statuses = ['pending', 'evaluated', 'failed', 'rejected', 'duplicate'];
const operators = ['draft', 'improve', 'crossover', 'debug', 'reference', 'aggregate'];
const rungs = ['screen', 'confirm', 'final'];

const program = (
  /** @type {number} */ width,
  /** @type {number} */ rate,
  /** @type {boolean} */ gated,
) => `"""A small language model and its training loop."""
import math

import torch
from torch import nn
from torch.nn import functional as F

WIDTH = ${width}
LAYERS = 4
LEARNING_RATE = ${rate}


class Mixer(nn.Module):
    """Causal convolution over positions${gated ? ', gated by the input' : ''}. (B, T, C) -> (B, T, C)."""

    def __init__(self, width: int, reach: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, reach, padding=reach - 1, groups=width)
        self.out = nn.Linear(width, width, bias=False)
${gated ? '        self.gate = nn.Linear(width, width, bias=False)\n' : ''}
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.conv(x.transpose(1, 2))[..., : x.size(1)].transpose(1, 2)
${gated ? '        mixed = mixed * torch.sigmoid(self.gate(x))\n' : ''}        return self.out(F.silu(mixed))


def schedule(step: int, steps: int) -> float:
    # Warm up over 5 %, then a cosine to a tenth.
    warm = max(1, steps // 20)
    if step < warm:
        return LEARNING_RATE * (step + 1) / warm
    return LEARNING_RATE * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))
`;

const trace = `Traceback (most recent call last):
  File "train.py", line 88, in <module>
    loss.backward()
  File "/usr/lib/python3/dist-packages/torch/_tensor.py", line 487, in backward
    torch.autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)
RuntimeError: CUDA out of memory. Tried to allocate 1.21 GiB (GPU 0; 15.74 GiB total capacity)
`;

const attacks = [
  '<img src=x onerror="window.attacked=1">',
  '<script>window.attacked=1;alert(1);fetch("http://127.0.0.1:9/stolen")</script>',
  '"><svg onload=window.attacked=1>',
  '<iframe src="javascript:window.parent.attacked=1"></iframe>',
  "javascript:window.attacked=1//';alert(1)",
  '\u202Egnp.exe\u2066 \u001b[31mred\u001b[0m\u001b]8;;http://127.0.0.1:9/\u0007link\u001b]8;;\u0007 \u0000',
  '<a href="http://127.0.0.1:9/x" autofocus onfocus=window.attacked=1>go</a><base href="http://127.0.0.1:9/">',
  '{{constructor.constructor("window.attacked=1")()}}',
];

/**
 * @typedef {{nodes?: number, agents?: number, seed?: number, id?: string, design?: boolean, hostile?: boolean, lower?: boolean,
 *   finished?: boolean, now?: number}} WorldOptions
 */

/** One search with its nodes; `grow` adds to it. */
export class World {
  /** @param {WorldOptions} options */
  constructor({
    nodes = 60,
    agents = 5,
    seed = 1,
    id = 'quickstart-1',
    design = false,
    hostile = false,
    lower = design,
    finished = false,
  } = {}) {
    Object.assign(this, { id, design, hostile, lower, finished });
    this.random = randomness(seed);
    this.agents = names
      .slice(0, Math.min(agents, names.length))
      .concat(Array.from({ length: Math.max(0, agents - names.length) }, (_, at) => `agent${at + 9}`));
    this.attempts = this.agents.map(() => 0);
    /** @type {any[]} */
    this.nodes = [];
    this.sequence = 0;
    this.layers = 16;
    this.proposals = 0;
    /** Scored nodes by agent. @type {number[][]} */
    this.scored = this.agents.map(() => []);
    /** @type {any[]} */
    this.rulings = [];
    /** @type {Set<string>} */
    this.vetoed = new Set();
    this.status = finished ? 'finished' : 'running';
    for (let index = 0; index < 3; index++) this.add('reference', `R${index}`, index + 1);
    this.grow(nodes - 3);
  }

  /** A text as the archive would hold it; hostile ones carry an attack. @param {string} text */
  say(text) {
    if (!this.hostile) return text;
    this.attack = ((this.attack ?? 0) + 1) % attacks.length;
    return `${text} ${attacks[this.attack]}`;
  }

  /** Adds nodes and returns their ids. @param {number} count */
  grow(count) {
    const ids = [];
    for (let step = 0; step < count; step++) {
      const agent = Math.floor(this.random() * this.agents.length);
      this.attempts[agent]++;
      const own = this.scored[agent];
      const kind =
        own.length < 2 ? 'draft' : this.random() < 0.12 ? 'draft' : this.random() < 0.16 ? 'crossover' : 'improve';
      ids.push(this.add(kind, null, this.attempts[agent], agent).id);
    }
    return ids;
  }

  /** @param {string} operator @param {string | null} name @param {number} attempt @param {number} agent */
  add(operator, name, attempt, agent = -1) {
    const { random } = this;
    const index = this.nodes.length;
    const own = agent < 0 ? [] : this.scored[agent];
    const parent = operator === 'improve' || operator === 'crossover' ? this.pick(own) : -1;
    const other = operator === 'crossover' ? this.pick(this.scored[Math.floor(random() * this.agents.length)]) : -1;
    const above = parent >= 0 ? this.nodes[parent] : null;
    const layers = above
      ? [...above.layers]
      : Array.from({ length: this.layers }, (_, at) => kinds[(at + index) % 3 === 0 ? 1 : Math.floor(random() * 3)]);
    if (above)
      for (let change = 0; change < 2; change++)
        layers[Math.floor(random() * layers.length)] = kinds[Math.floor(random() * 3)];
    const gain = (random() - 0.55) * 0.03;
    const quality = Math.min(
      0.97,
      above ? above.quality + (above.quality > 0.8 ? gain * 0.25 : gain) : 0.42 + 0.2 * random(),
    );
    const fate = random();
    const status =
      name !== null
        ? 'evaluated'
        : fate < 0.9
          ? 'evaluated'
          : fate < 0.94
            ? 'failed'
            : fate < 0.97
              ? 'duplicate'
              : 'rejected';
    const proposedAt = index * 4000;
    const rung = status !== 'evaluated' ? -1 : name !== null ? 2 : index % 41 === 7 ? 2 : index % 17 === 7 ? 1 : 0;
    const metric = this.lower ? 3.2 - 1.4 * quality : quality;
    const node = {
      index,
      id: name === null ? `${this.agents[agent]}-${attempt}` : `reference-${attempt}`,
      agent: name === null ? this.agents[agent] : 'reference',
      attempt,
      operator,
      name: name === null ? null : this.say(['Transformer', 'Mamba-2', 'Hybrid 1:1'][attempt - 1] ?? name),
      parent,
      second: other === parent ? -1 : other,
      status,
      layers,
      quality,
      score: status === 'evaluated' ? round(metric) : null,
      rung,
      rungScore: rung >= 0 ? round(metric + (rung > 0 ? (random() - 0.5) * 0.01 : 0)) : null,
      parameters:
        status === 'evaluated'
          ? 120_000 + layers.filter((layer) => layer === 'M').length * 26_000 + Math.floor(random() * 9000)
          : null,
      flops: status === 'evaluated' ? 4.1e9 + layers.filter((layer) => layer === 'mA').length * 7e8 : null,
      costUsd: agent >= 0 && agent % 3 > 0 ? round(0.002 + random() * 0.01) : 0,
      proposedAt,
      evaluatedAt: status === 'evaluated' ? proposedAt + 9000 + Math.floor(random() * 20_000) : null,
      cached: random() < 0.04,
      sequence: ++this.sequence,
    };
    this.nodes.push(node);
    if (name === null) this.proposals++;
    if (status === 'evaluated' && agent >= 0) own.push(index);
    return node;
  }

  /** Among the best and latest: lineages become long. @param {number[]} from */
  pick(from) {
    if (from.length === 0) return -1;
    let best = from[from.length - 1 - Math.floor(this.random() ** 2 * Math.min(400, from.length))];
    for (let tries = 0; tries < 3; tries++) {
      const each = from[from.length - 1 - Math.floor(this.random() ** 2 * Math.min(400, from.length))];
      if (this.nodes[each].quality > this.nodes[best].quality) best = each;
    }
    return best;
  }

  /** @param {any} a @param {any} b whether a is the better score */
  better(a, b) {
    return this.lower ? a < b : a > b;
  }

  best(/** @type {any[]} */ among = this.nodes) {
    let best = null;
    for (const node of among) {
      if (node.rungScore === null || node.operator === 'reference') continue;
      if (!best || node.rung > best.rung || (node.rung === best.rung && this.better(node.rungScore, best.rungScore)))
        best = node;
    }
    return best;
  }

  short(/** @type {any} */ node) {
    if (this.design) return this.say(`train.py, ${40 + (node.index % 30)} lines`);
    return runLength(node.layers);
  }

  get metric() {
    return this.design ? 'bits per byte' : 'accuracy';
  }

  counts(/** @type {any[]} */ nodes) {
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

  searchRow() {
    const best = this.best();
    const last = this.nodes.at(-1);
    return {
      id: this.id,
      task: this.say(this.design ? 'design-nano' : 'compose-mad'),
      profile: 'nano',
      workflow: this.design ? 'design' : 'compose',
      metric: this.metric,
      lowerIsBetter: this.lower,
      phase: this.status === 'finished' ? 'finished' : 'screening',
      status: this.status,
      startedAt: started,
      endedAt: this.status === 'finished' ? started + last.proposedAt + 30_000 : null,
      elapsedMs: last.proposedAt + 30_000,
      ending: null,
      best: best && {
        node: best.id,
        short: this.short(best),
        rung: rungs[best.rung],
        score: best.rungScore,
        seeds: best.rung + 1,
        interval: { low: best.rungScore - 0.011, high: best.rungScore + 0.011 },
      },
      nodes: this.nodes.length,
      spent: {
        evaluations: this.proposals,
        deviceSeconds: this.proposals * 11.4,
        calls: Math.floor(this.proposals * 1.4),
        tokens: this.proposals * 5200,
        costUsd: round(this.nodes.reduce((sum, node) => sum + node.costUsd, 0)),
      },
    };
  }

  agentRow(/** @type {string} */ name, /** @type {any[]} */ own) {
    const at = this.agents.indexOf(name);
    let best = null;
    for (const node of own) if (node.score !== null && (!best || this.better(node.score, best.score))) best = node;
    const state = this.status === 'finished' ? 'ended' : at === 2 ? 'waiting' : at === 4 ? 'ended' : 'working';
    return {
      name,
      model: models[at % 3],
      scaffold: scaffolds[at % 4],
      memory: at % 2 === 0 ? 'own' : 'ensemble',
      evaluations: Math.ceil(this.proposals / this.agents.length) + 8,
      state,
      why:
        state === 'waiting'
          ? this.say('waits for the results of attempts 8 and 9')
          : state === 'ended'
            ? this.say('its evaluations are used')
            : null,
      endCode: state === 'ended' ? 'budget-used' : null,
      best: best && { node: best.id, score: best.score },
      counts: this.counts(own),
      spent: {
        calls: own.length,
        tokens: own.length * 5200,
        costUsd: round(own.reduce((sum, node) => sum + node.costUsd, 0)),
      },
    };
  }

  /** Nodes of each agent, in order. */
  byAgent() {
    const map = new Map(this.agents.map((name) => [name, /** @type {any[]} */ ([])]));
    for (const node of this.nodes) map.get(node.agent)?.push(node);
    return map;
  }

  overview() {
    const proposals = this.nodes.filter((node) => node.operator !== 'reference');
    const best = this.best();
    const references = this.nodes.filter((node) => node.operator === 'reference');
    const of = (/** @type {number} */ rung) => this.nodes.filter((node) => node.rung >= rung).length;
    return {
      version,
      sequence: this.sequence,
      search: this.searchRow(),
      goal: {
        description: this.say(
          this.design
            ? 'Write the model and the training loop of a small language model that reaches the lowest bits per byte in two minutes.'
            : 'Arrange 16 layers of three kinds so that a small model does well on six synthetic tasks of mechanistic architecture design.',
        ),
        space: this.design ? 'program' : 'stack',
        layers: this.design ? null : this.layers,
        primitives: this.design
          ? []
          : [
              { name: 'M', meaning: 'SwiGLU MLP' },
              { name: 'mA', meaning: 'multi-head attention' },
              { name: 'Mb', meaning: 'Mamba-2' },
            ],
        seed: 1,
        deviceClass: 'cpu',
        evaluator: 'native-2b7e1516',
        taskVersion: 'e3b0c442',
        searchFile: long(
          this.say(
            `task: ${this.design ? 'design-nano' : 'compose-mad'}\nprofile: nano\nbudget: { evaluations: ${this.proposals}, minutes: 60 }\n`,
          ),
        ),
      },
      references: references.map((node) => ({
        node: node.id,
        name: node.name,
        short: this.short(node),
        rung: 'final',
        score: node.rungScore,
        seeds: 3,
        interval: { low: node.rungScore - 0.012, high: node.rungScore + 0.012 },
      })),
      comparisons: best
        ? references.map((node, at) => ({
            contender: this.design ? best.id : `finalist ${best.id}`,
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
      floors: [{ name: 'guessing', rung: 'screen', score: this.lower ? 8 : 0.0625 }],
      budget: [
        { unit: 'evaluations', limit: this.proposals + 40, used: this.proposals, left: 40 },
        { unit: 'minutes', limit: 90, used: 41.2, left: 48.8 },
        { unit: 'deviceSeconds', limit: null, used: this.proposals * 11.4, left: null },
        { unit: 'costUsd', limit: 5, used: 1.37, left: 3.63 },
        { unit: 'tokens', limit: null, used: this.proposals * 5200, left: null },
      ],
      forecast: { remainingMs: this.status === 'finished' ? null : 1_860_000, basis: 'at 31 trainings a minute' },
      agents: [...this.byAgent()].map(([name, own]) => this.agentRow(name, own)),
      devices: { workers: 4, training: this.status === 'finished' ? 0 : 3, busy: 0.87 },
      counts: this.counts(proposals),
      rungs: [
        {
          rung: 'screen',
          pending: 0,
          evaluated: of(0),
          failed: this.counts(proposals).failed,
          cached: this.counts(proposals).cached,
          meanSeconds: 8.2,
        },
        { rung: 'confirm', pending: 2, evaluated: of(1), failed: 0, cached: 1, meanSeconds: 31 },
        { rung: 'final', pending: 0, evaluated: of(2), failed: 0, cached: 0, meanSeconds: 66 },
      ],
      claims:
        this.status === 'finished' && best
          ? [
              {
                sentence: this.say(
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
          subject: this.agents.at(-1) ?? '',
          reason: 'budget-used',
          sentence: this.say('its evaluations are used'),
          at: started + 900_000,
        },
      ],
      phases: [{ phase: 'screening', at: started }],
      rulings: this.rulings,
    };
  }

  row(/** @type {any} */ node) {
    const of = (/** @type {number} */ rung) =>
      node.rung >= rung ? (rung === node.rung ? node.rungScore : node.score) : null;
    return {
      index: node.index,
      id: node.id,
      agent: node.agent,
      attempt: node.attempt,
      operator: node.operator,
      name: node.name,
      parents: [node.parent, node.second].filter((at) => at >= 0).map((at) => this.nodes[at].id),
      status: node.status,
      reason: node.status === 'failed' ? 'out-of-memory' : null,
      short: this.short(node),
      change: this.say(
        this.design
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
      vetoed: this.isVetoed(node),
      proposedAt: started + node.proposedAt,
      evaluatedAt: node.evaluatedAt === null ? null : started + node.evaluatedAt,
    };
  }

  isVetoed(/** @type {any} */ node) {
    for (let each = node; each; each = each.parent >= 0 ? this.nodes[each.parent] : null)
      if (this.vetoed.has(each.id)) return true;
    return false;
  }

  /** @param {Record<string, string>} query */
  page({ sort = 'sequence', direction = 'ascending', after, limit = '50', agent, operator, status, rung, q }) {
    const words = (q ?? '').toLowerCase();
    const rows = this.nodes.filter(
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
      sequence: this.sequence,
      rows: rows.slice(from, end).map((node) => this.row(node)),
      next: end < rows.length ? String(end) : null,
      total: rows.length,
    };
  }

  points(/** @type {number} */ after) {
    const nodes = after > 0 ? this.nodes.filter((node) => node.sequence > after) : this.nodes;
    const patterns = new Map();
    const agents = [...this.agents, 'reference'];
    const rank = new Map(agents.map((name, at) => [name, at]));
    const pattern = nodes.map((node) => {
      if (this.design) return -1;
      const text = runLength(node.layers);
      if (!patterns.has(text)) patterns.set(text, patterns.size);
      return patterns.get(text);
    });
    const column = (/** @type {string} */ name) => nodes.map((node) => node[name]);
    return {
      version,
      sequence: this.sequence,
      total: this.nodes.length,
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

  mention(/** @type {any} */ node) {
    return { node: node.id, agent: node.agent, operator: node.operator, status: node.status, score: node.score };
  }

  candidate(/** @type {any} */ node) {
    if (!this.design)
      return { kind: 'stack', layers: node.layers, short: runLength(node.layers), text: long(node.layers.join(' ')) };
    const width = 64 + 16 * (node.index % 4);
    const text = program(width, 0.001 * (1 + (node.index % 7)), node.index % 2 === 1);
    const files = [
      {
        name: this.say('train.py'),
        ...long(this.hostile ? `${text}# ${attacks.join('\n# ')}\n# ${'x'.repeat(1_000_000)}\n` : text),
      },
    ];
    return { kind: 'program', files };
  }

  /** @param {string} id */
  detail(id) {
    const node = this.nodes.find((each) => each.id === id);
    if (!node) return null;
    const parent = node.parent >= 0 ? this.nodes[node.parent] : null;
    const children = this.nodes.filter((each) => each.parent === node.index || each.second === node.index);
    const curve = Array.from({ length: 24 }, (_, at) => [
      (at + 1) * 50,
      round((node.score ?? 0.4) * (1 - 0.6 * Math.exp(-at / 6))),
    ]);
    const evaluation = (/** @type {number} */ seed, /** @type {number} */ rung) => ({
      key: `${node.id}-${rung}-${seed}`,
      seed,
      status: node.status === 'evaluated' ? 'ok' : 'failed',
      score: node.score === null ? null : round(node.score + 0.004 * ((seed % 3) - 1)),
      reason: node.status === 'evaluated' ? null : 'out-of-memory',
      message:
        node.status === 'evaluated' ? null : long(this.say(this.hostile ? `${trace}${'y'.repeat(1_000_000)}` : trace)),
      taskScores:
        node.status === 'evaluated' && !this.design
          ? {
              recall: { accuracy: node.score },
              copying: { accuracy: round(node.score * 1.02) },
              compression: { accuracy: round(node.score * 0.93) },
            }
          : {},
      floors: this.design ? {} : { recall: 0.0625, copying: 0.0625, compression: 0.0625 },
      curve: node.status === 'evaluated' ? curve : [],
      parameters: node.parameters,
      flops: node.flops,
      peakMemoryBytes: 412_000_000,
      durationMs: 8200,
      worker: 'worker-1',
      device: 'cpu',
      cached: node.cached,
      unsafe: false,
      starts: 1,
      requestedAt: started + node.proposedAt,
      finishedAt: node.evaluatedAt === null ? null : started + node.evaluatedAt,
    });
    const tried = node.status === 'evaluated' || node.status === 'failed';
    const chats = node.agent !== 'reference' && this.agents.indexOf(node.agent) % 3 > 0;
    return {
      version,
      sequence: this.sequence,
      search: this.id,
      metric: this.metric,
      lowerIsBetter: this.lower,
      node: this.row(node),
      candidate: this.candidate(node),
      parents: [node.parent, node.second].filter((at) => at >= 0).map((at) => this.mention(this.nodes[at])),
      children: children.slice(0, 60).map((each) => this.mention(each)),
      bases: [
        ...(parent ? [{ of: 'parent', node: parent.id, candidate: this.candidate(parent) }] : []),
        { of: 'baseline', node: 'reference-1', candidate: this.candidate(this.nodes[0]) },
      ],
      rationale: {
        choice: long(
          this.say(parent ? `best so far: ${parent.id}` : 'a fresh start, since the last five attempts gained nothing'),
        ),
        change: long(this.row(node).change),
        hypothesis: long(this.say('attention early, where the sequence is still raw, and state space layers above it')),
        expected: node.score === null ? null : round(node.score + 0.01),
        model: models[1],
        evidence: parent ? [parent.id] : [],
      },
      lesson:
        node.status === 'evaluated'
          ? long(this.say('recall gains from the second attention layer; compression does not'))
          : null,
      message: node.status === 'rejected' ? long(this.say('the architecture has 15 layers; this task needs 16')) : null,
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
                at: started + node.proposedAt - 7000,
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
                    ...long(this.say('You search for neural architectures. Answer with one candidate and say why.')),
                  },
                  {
                    role: 'user',
                    ...long(this.say(`The best node so far is ${parent?.id ?? 'none'}. Propose the next candidate.`)),
                  },
                ],
                reasoning: long(this.say('The recall task is the weakest. An early attention layer usually helps it.')),
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
                  this.say(
                    `{"candidate": "${runLength(node.layers)}", "why": "one attention layer in the first quarter"}`,
                  ),
                ),
                toolCalls: [],
                finish: 'stop',
              },
            ]
          : [],
        roundsMissing: null,
        readings: chats
          ? [
              {
                how: 'model',
                query: this.say('hybrid attention state space placement'),
                found: [
                  {
                    id: 'note:jamba',
                    title: this.say('Jamba: one attention layer in eight'),
                    url: this.hostile ? 'javascript:window.attacked=1' : 'https://arxiv.org/abs/2403.19887',
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

  /** @param {string} name */
  agent(name) {
    const own = this.nodes.filter((node) => node.agent === name);
    if (own.length === 0) return null;
    const sign = this.lower ? -1 : 1;
    const effect = (/** @type {any} */ node) =>
      node.score !== null && node.parent >= 0 && this.nodes[node.parent].score !== null
        ? round(sign * (node.score - this.nodes[node.parent].score))
        : null;
    return {
      version,
      sequence: this.sequence,
      search: this.id,
      metric: this.metric,
      lowerIsBetter: this.lower,
      agent: this.agentRow(name, own),
      spec: long(JSON.stringify({ name, model: models[0], scaffold: 'greedy' }, null, 2)),
      timeline: own.slice(-2000).map((node) => ({
        ...this.mention(node),
        index: node.index,
        attempt: node.attempt,
        parents: this.row(node).parents,
        short: this.short(node),
        change: this.row(node).change,
        proposedAt: started + node.proposedAt,
        evaluatedAt: node.evaluatedAt === null ? null : started + node.evaluatedAt,
        effect: effect(node),
        novelty:
          node.status === 'rejected'
            ? null
            : round(0.08 + 0.5 * Math.exp(-node.attempt / 30) + 0.05 * Math.sin(node.attempt)),
        costUsd: node.costUsd,
      })),
      operators: ['draft', 'improve', 'crossover'].map((operator) => {
        const used = own.filter((node) => node.operator === operator);
        const compared = used.map(effect).filter((each) => each !== null);
        return {
          operator,
          used: used.length,
          scored: used.filter((node) => node.score !== null).length,
          compared: compared.length,
          improved: compared.filter((each) => each > 0).length,
          meanEffect:
            compared.length > 0 ? round(compared.reduce((sum, each) => sum + each, 0) / compared.length) : null,
        };
      }),
      exchanges: own
        .filter((node) => node.second >= 0 && this.nodes[node.second].agent !== name)
        .slice(0, 200)
        .map((node) => ({
          node: node.id,
          from: this.nodes[node.second].id,
          fromAgent: this.nodes[node.second].agent,
          how: 'parent',
          direction: 'taken',
        })),
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

  literature() {
    return {
      version,
      sequence: this.sequence,
      agents: this.agents.slice(0, 3).map((agent, at) => ({
        agent,
        attempts: 40,
        failed: at === 2 ? 3 : 0,
        failure: at === 2 ? this.say('arXiv answered 503') : null,
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
          title: this.say('Jamba: one attention layer in eight'),
          url: 'https://arxiv.org/abs/2403.19887',
          shown: 18,
          cited: 9,
          improved: 4,
          nodes: this.nodes.slice(4, 9).map((node) => this.mention(node)),
        },
        {
          id: 'note:mad',
          title: 'Mechanistic design and scaling of hybrid architectures',
          url: null,
          shown: 12,
          cited: 3,
          improved: 1,
          nodes: this.nodes.slice(10, 12).map((node) => this.mention(node)),
        },
      ],
    };
  }

  /** @param {any} body */
  command(body) {
    const at = started + day;
    const ruling = (/** @type {string} */ sentence, /** @type {string | null} */ subject) =>
      this.rulings.push({ id: `ruling-${this.rulings.length + 1}`, kind: body.kind, at, sentence, subject });
    this.sequence++;
    if (body.kind === 'veto') {
      this.vetoed.add(body.node);
      const sentence = `${body.node} and its descendants are no longer parents.`;
      ruling(sentence, body.node);
      return { version, id: 'c1', sentence, node: null };
    }
    if (body.kind === 'pause' || body.kind === 'resume') {
      this.status = body.kind === 'pause' ? 'paused' : 'running';
      ruling(`the search is ${this.status}.`, null);
      return { version, id: 'c2', sentence: `The search is ${this.status}.`, node: null };
    }
    return { version, id: 'c3', sentence: 'Recorded.', node: null };
  }
}

/** A study, a scale run and workers, the same for every world. */
export const studies = () => ({
  version,
  studies: [
    {
      id: 'memory',
      question: 'Does a shared memory help?',
      arms: ['own', 'ensemble'],
      runs: 16,
      sentences: ['ensemble is better than own by 0.021 [0.006, 0.036] on eight paired seeds.'],
      writtenAt: started + day,
      problem: null,
    },
  ],
});

export const study = () => ({
  version,
  id: 'memory',
  question: 'Does a shared memory help?',
  seeds: 8,
  writtenAt: started + day,
  tasks: [{ label: 'compose-mad nano', kind: 'trained', metric: 'accuracy', best: 0.72 }],
  unit: 'worth',
  inference: { unit: 'paired seeds', units: 8 },
  arms: ['own', 'ensemble', 'random'].map((name, at) => ({
    name,
    runs: 8,
    candidates: 480,
    middle: 0.7 + 0.02 * (at === 2 ? -1 : at),
    interval: { low: 0.688 + 0.02 * (at === 2 ? -1 : at), high: 0.711 + 0.02 * (at === 2 ? -1 : at) },
    mean: 0.701,
    validRate: 0.94,
    normalised: null,
    elo: { rating: 1000 + 40 * (at === 2 ? -1 : at), low: 960, high: 1060 },
    rejected: 12,
    duplicate: 9,
    failed: 3,
  })),
  comparisons: [
    {
      arms: ['ensemble', 'own'],
      pairs: 8,
      effect: 0.021,
      interval: { low: 0.006, high: 0.036 },
      p: 0.016,
      adjusted: 0.031,
      verdict: 'better',
      standardised: 0.9,
      ahead: 0.875,
      detectable: 0.017,
      sentence: 'ensemble is better than own by 0.021 [0.006, 0.036] on eight paired seeds.',
    },
    {
      arms: ['own', 'random'],
      pairs: 8,
      effect: 0.012,
      interval: { low: -0.004, high: 0.027 },
      p: 0.148,
      adjusted: 0.148,
      verdict: 'not distinguishable',
      standardised: 0.5,
      ahead: 0.625,
      detectable: 0.018,
      sentence: 'own and random are not distinguishable: 0.012 [-0.004, 0.027].',
    },
  ],
  cautions: ['Eight seeds detect differences of 0.017 and more.'],
  curves: [
    {
      task: 'compose-mad nano',
      shows: 'score',
      arms: ['own', 'ensemble', 'random'].map((name, at) => {
        const middle = Array.from({ length: 60 }, (_, step) =>
          round(0.45 + (0.25 + 0.02 * (at === 2 ? -1 : at)) * (1 - Math.exp(-step / 14))),
        );
        return {
          name,
          middle,
          low: middle.map((each) => round(each - 0.012)),
          high: middle.map((each) => round(each + 0.012)),
        };
      }),
    },
  ],
});

export const scale = () => {
  const budgets = [1e15, 1e16, 1e17];
  const architecture = (/** @type {string} */ label, /** @type {string} */ pattern, /** @type {number} */ better) => ({
    label,
    pattern,
    family: 'hybrid',
    curves: budgets.map((budgetFlops, at) => {
      const best = 6.2 + 0.5 * at;
      const loss = (/** @type {number} */ size) =>
        round(3.1 - 0.35 * at - better + 0.25 * (Math.log10(size) - best) ** 2);
      const sizes = [-0.6, -0.3, 0, 0.3, 0.6].map((step) => Math.round(10 ** (best + step)));
      return {
        budgetFlops,
        flops: budgetFlops,
        points: sizes.map((parameters) => ({
          parameters,
          tokens: Math.round(budgetFlops / (6 * parameters)),
          seed: 1,
          loss: loss(parameters),
        })),
        parabola: Array.from({ length: 21 }, (_, step) => 10 ** (best - 0.7 + 0.07 * step)).map((parameters) => ({
          parameters,
          loss: loss(parameters),
        })),
        minimum: { parameters: 10 ** best, tokens: budgetFlops / (6 * 10 ** best), loss: loss(10 ** best) },
        refused: null,
      };
    }),
    frontier: [
      { flops: 1e15, loss: 3.1 - better },
      { flops: 1e17, loss: 2.4 - better },
    ],
    slope: { value: -0.35, interval: { low: -0.38, high: -0.32 } },
    sizeExponent: { value: 0.5, interval: { low: 0.44, high: 0.56 } },
    tokenExponent: { value: 0.5, interval: null },
    law: { E: 1.7, A: 406, B: 410, alpha: 0.34, beta: 0.28, residual: 0.01, sizeExponent: 0.45 },
    lawRefused: null,
  });
  return {
    version,
    id: 'hold',
    verdict: 'holds',
    answer: 'The pattern keeps its advantage up to 1e17 FLOPs: 0.050 nats per token [0.031, 0.069].',
    further: ['The reference needs 1.4 times the compute for the same loss.'],
    cautions: ['Three budgets over two decades: an extrapolation beyond them is not supported.'],
    reference: 'Transformer',
    cost: { runs: 30, outcomes: 30, flops: 1.1e18, durationMs: 7_400_000 },
    resampling: { of: 'seeds', degrees: 4, resamples: 2000 },
    architectures: [
      architecture('Transformer', '8mA+8M', 0),
      architecture('found', 'mA+2Mb+M+2Mb+M+mA+2Mb+M+2Mb+M+2Mb', 0.05),
    ],
    comparisons: [
      {
        name: 'found',
        reference: 'Transformer',
        gaps: budgets.map((budgetFlops) => ({ budgetFlops, gap: 0.05 })),
        gap: { value: 0.05, interval: { low: 0.031, high: 0.069 } },
        multiplier: { value: 1.4, interval: { low: 1.2, high: 1.6 } },
        verdict: 'better',
        refused: null,
      },
    ],
    audits: [
      {
        rung: 'screen',
        target: 'loss at 1e17',
        n: 12,
        pairs: [{ name: 'found', rung: 0.72, target: 2.35 }],
        spearman: { value: 0.71, interval: { low: 0.3, high: 0.9 }, ceiling: 0.93 },
        kendall: { value: 0.55, interval: { low: 0.2, high: 0.8 }, ceiling: 0.84 },
        refused: null,
      },
    ],
    observations: [
      {
        architecture: 'found',
        family: 'hybrid',
        size: 's',
        parameters: 1_600_000,
        embedding: 400_000,
        budgetFlops: 1e15,
        flops: 1.01e15,
        tokens: 1.04e8,
        seed: 1,
        loss: 3.05,
        durationMs: 240_000,
        tokensPerSecond: 433_000,
        mfu: 0.31,
        peakMemoryBytes: 2.1e9,
        cacheBytesPerToken: 1024,
      },
    ],
  };
};

export const workers = (/** @type {string} */ search, /** @type {string} */ node) => ({
  version,
  workers: Array.from({ length: 4 }, (_, at) => ({
    worker: `worker-${at + 1}`,
    device: at < 3 ? 'cpu, 2 cores' : null,
    state: at < 3 ? 'training' : 'silent',
    heartbeatAt: at < 3 ? Date.now() - 700 * at : null,
    training:
      at < 3 ? { search, node, rung: 'screen', seed: 1, startedAt: Date.now() - 4200, progress: 0.2 + 0.3 * at } : null,
    trainings: 120 - at,
    failed: at,
    busyMs: 3_600_000,
  })),
});

const limit = 200_000;

/** Whole texts behind `raw`. @type {string[]} */
const whole = [];
/** @param {string} text */
const keep = (text) => {
  const at = whole.indexOf(text);
  return at >= 0 ? at : whole.push(text) - 1;
};
/** @param {number} at */
export const wholeText = (at) => whole[at];

const long = (/** @type {string} */ text) => ({
  text: text.slice(0, limit),
  more: Math.max(0, text.length - limit),
  raw: text.length > limit ? `raw/${keep(text)}` : null,
});
const round = (/** @type {number} */ value) => Math.round(value * 1e5) / 1e5;

/** @param {string[]} layers */
function runLength(layers) {
  const runs = [];
  for (const name of layers) {
    const last = runs.at(-1);
    if (last?.name === name) last.length++;
    else runs.push({ name, length: 1 });
  }
  return runs.map(({ name, length }) => (length > 1 ? `${length}${name}` : name)).join('+');
}
