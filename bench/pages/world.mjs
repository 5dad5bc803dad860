// A made-up search of any size, behind the dashboard's API: what the browser benchmark and the browser tests show on the pages.
// Every figure is invented and a function of the seed. What the API answers about it is in `search.mjs` and `details.mjs`, and
// about its lab in `home.mjs`; `tests/browser/world.test.ts` checks all answers against the schemas of `src/views`.
import { attacks, round, runLength } from './texts.mjs';

export const version = 1;
export const started = Date.UTC(2026, 10, 20, 9, 0, 0);
export const day = 86_400_000;

/** Uniform numbers in [0, 1) (mulberry32). @param {number} seed */
function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const names = ['climber', 'treetop', 'islander', 'composer', 'chance', 'reader', 'drifter', 'mason'];
const kinds = ['M', 'mA', 'Mb'];

/**
 * @typedef {{nodes?: number, agents?: number, seed?: number, id?: string, design?: boolean, hostile?: boolean, lower?: boolean,
 *   finished?: boolean}} WorldOptions
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
    const draw = () => from[from.length - 1 - Math.floor(this.random() ** 2 * Math.min(400, from.length))];
    let best = draw();
    for (let tries = 0; tries < 3; tries++) {
      const each = draw();
      if (this.nodes[each].quality > this.nodes[best].quality) best = each;
    }
    return best;
  }

  /** @param {any} a @param {any} b whether a is the better score */
  better(a, b) {
    return this.lower ? a < b : a > b;
  }

  best() {
    let best = null;
    for (const node of this.nodes) {
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

  isVetoed(/** @type {any} */ node) {
    for (let each = node; each; each = each.parent >= 0 ? this.nodes[each.parent] : null)
      if (this.vetoed.has(each.id)) return true;
    return false;
  }

  finish() {
    this.status = 'finished';
    this.sequence++;
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
