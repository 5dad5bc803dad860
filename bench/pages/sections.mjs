// Sections of a report as the API answers them while a search runs: the contract of `src/views/apiDetail.ts`, with made-up figures.
import { rungs } from './search.mjs';
import { round, runLength } from './texts.mjs';
import { version } from './world.mjs';

/** @typedef {import('./world.mjs').World} World */

const titles = /** @type {Record<string, string>} */ ({ M: 'MLP', mA: 'attention', Mb: 'Mamba-2' });
const number = (/** @type {string} */ head) => ({ head, kind: 'number' });
const text = (/** @type {string} */ words, /** @type {string | undefined} */ as) => ({
  ...{ block: 'text', text: words },
  ...(as && { as }),
});

/** Nodes of a rung, best first. @param {World} world @param {number} rung */
const ranked = (world, rung) =>
  world.nodes
    .filter((node) => node.rung >= rung && node.rungScore !== null)
    .sort((a, b) => (world.better(a.rungScore, b.rungScore) ? -1 : 1));

/** A vote of the best nodes under a conditioning. @param {World} world @param {string} name @param {number} shift */
function votes(world, name, shift) {
  const voters = ranked(world, 0).slice(0, 24 - 4 * shift);
  const layers = Array.from({ length: world.layers }, (_, layer) => {
    const counts = Object.keys(titles).map((kind) => ({
      ...{ name: kind, title: titles[kind] },
      votes: voters.filter((node) => node.layers[layer] === kind).length,
    }));
    const [most, second] = [...counts].sort((a, b) => b.votes - a.votes);
    return {
      winner: most?.name ?? 'M',
      votes: counts,
      voters: voters.length,
      tied: most?.votes === second?.votes,
    };
  });
  const pattern = runLength(layers.map(({ winner }) => winner));
  const note = { block: 'text', as: 'note', text: [{ text: name, as: 'strong' }, ' ', { text: pattern, as: 'code' }] };
  return { pattern, blocks: [note, { block: 'votes', label: `votes per layer, ${name}`, layers }] };
}

/** A pattern at full size. @param {string} label @param {string} pattern */
export function fullSize(label, pattern) {
  const rows = ['350M', '1B', '3B'].flatMap((size, at) => [
    { group: size },
    ...['Llama-like', 'stretched', 'stretched, nearest fit', 'stacked', 'stacked, nearest fit'].map((rule, place) => [
      rule,
      { stack: place === 0 ? '24mA+24M' : Array.from({ length: 2 + at }, () => pattern).join('+'), runs: place > 0 },
      ...[48 + 16 * at, 12, 22, 14].map(String),
      ...[(302.1 * 3 ** at).toFixed(1), place === 0 ? '+0.0 %' : `+${(1.7 * place).toFixed(1)} %`],
      ...[(2.21 * 3 ** at).toFixed(2), (96 * 2 ** at).toFixed(1)],
    ]),
  ]);
  return {
    id: 'extrapolation',
    title: 'At full size',
    blocks: [
      { block: 'heading', text: [`${label} `, { text: pattern, as: 'code' }] },
      {
        block: 'table',
        columns: [
          { head: 'rule', kind: 'name' },
          { head: 'architecture', kind: 'text' },
          ...['layers', 'M', 'mA', 'Mb', 'params, M', 'over target', 'train GFLOP/token', 'cache, MiB'].map(number),
        ],
        rows,
      },
      text('Compare architectures of equal parameters. Nothing here has been trained at these sizes.', 'note'),
    ],
  };
}

function patterns(/** @type {World} */ world) {
  if (world.design) {
    const why = 'Programs have no layers to vote on: only architectures are aggregated.';
    return [{ id: 'aggregation', title: 'Aggregation', blocks: [text(why, undefined)] }];
  }
  const under = ['N0', 'N1', 'N2', 'N-all'].map((name, at) => votes(world, name, at));
  const pattern = under[0]?.pattern ?? '';
  return [
    {
      id: 'aggregation',
      title: 'Aggregation',
      blocks: [
        text(
          `Of ${world.nodes.length} distinct architectures with a screening score, 24 form the best of 5 clusters.`,
          'lead',
        ),
        { block: 'columns', columns: under.map(({ blocks }) => blocks) },
        text('Columns: share of votes per primitive, input layer on the left; below them the winner.', 'note'),
        { block: 'heading', text: 'By agent, N0' },
        {
          block: 'table',
          columns: [
            { head: 'agent', kind: 'name' },
            { head: 'pattern of the agent’s nodes', kind: 'text' },
            ...['voters', 'pool', 'voters’ mean'].map(number),
          ],
          rows: world.agents.map((agent) => [{ agent }, { stack: pattern, runs: true }, '9', '41', '0.7021']),
        },
      ],
    },
    fullSize('aggregate N0', pattern),
  ];
}

function said(/** @type {World} */ world) {
  const best = world.best();
  const blocks =
    world.status === 'finished' && best
      ? [
          {
            block: 'claims',
            sentences: [
              world.say(`${best.id} is better than Transformer by 0.030 [0.018, 0.042] on five paired seeds.`),
            ],
          },
        ]
      : [text('Nothing is claimed yet: the search is still screening, and claims rest on the rungs above.', 'lead')];
  return { id: 'said', title: 'What is said', blocks };
}

function leaderboard(/** @type {World} */ world) {
  const group = (/** @type {number} */ rung) => [
    { group: `validation, ${rungs[rung]} rung` },
    ...ranked(world, rung)
      .filter((node) => node.rung === rung)
      .slice(0, 8)
      .map((node, at) => [
        String(at + 1),
        [
          { node: node.id, text: node.name ?? node.id },
          { text: node.name === null ? `${node.agent}, ${node.operator}` : node.agent, as: 'below' },
        ],
        world.design ? { text: world.short(node), as: 'code' } : { stack: runLength(node.layers), runs: true },
        [node.rungScore.toFixed(4), { text: ' ± 0.0040', as: 'small' }],
        '3',
        {
          whisker: {
            ...{ mean: round(world.lower ? -node.rungScore : node.rungScore), reach: 0.004 },
            seeds: [-0.005, 0.001, 0.004].map((each) => round((world.lower ? -node.rungScore : node.rungScore) + each)),
            axis: world.lower ? [-3, -1.6] : [0.4, 1],
          },
        },
      ]),
  ];
  const ends = world.lower ? ['3.00', '1.60'] : ['0.40', '1.00'];
  const columns = [
    ...[number('#'), { head: 'node', kind: 'name' }, { head: 'architecture', kind: 'text' }, number('mean')],
    ...[number('seeds'), { head: 'score', ends }],
  ];
  return {
    ...{ id: 'leaderboard', title: 'Leaderboard' },
    blocks: [{ block: 'table', columns, rows: [...group(2), ...group(1)] }],
  };
}

function evidence(/** @type {World} */ world) {
  const best = world.best();
  if (!best) return [];
  const references = world.nodes.filter((node) => node.operator === 'reference');
  const effects = references.map((reference, at) => ({
    ...{ name: `${best.id} − ${reference.name}`, sub: '5 paired seeds', estimate: round(0.03 - 0.012 * at) },
    ...{ low: round(0.018 - 0.014 * at), high: round(0.042 - 0.01 * at) },
    verdict: at < 2 ? 'better' : 'not distinguishable',
  }));
  const figures = ['difference', 'interval', 'std. error', 'effect size (SD)', 'reference mean'].map(number);
  return [
    {
      ...{ id: 'references', title: 'Against the references' },
      blocks: [
        text('On validation, final rung.', 'lead'),
        { block: 'forest', label: 'difference, above 0 is better', effects },
        {
          block: 'table',
          columns: [{ head: 'reference', kind: 'name' }, { head: 'result', kind: 'text' }, ...figures],
          rows: [
            { group: `${best.id} (${best.agent}), mean ${best.rungScore.toFixed(4)}` },
            ...references.map((reference, at) => ({
              contest: [
                { node: reference.id, text: reference.name },
                at < 2 ? { text: 'is better', as: 'good' } : 'is not distinguishable',
                ...['+0.0300', '+0.0180 … +0.0420', '0.0050', '+2.1', reference.rungScore.toFixed(4)],
              ],
            })),
          ],
        },
      ],
    },
  ];
}

/** @param {World} world @param {string} group */
export function sections(world, group) {
  if (group !== 'claims' && group !== 'patterns') return null;
  const isJudged = world.nodes.some((node) => node.rung > 0 && node.operator !== 'reference');
  const claims = () => [said(world), ...(isJudged ? [leaderboard(world), ...evidence(world)] : [])];
  return { version, sequence: world.sequence, sections: group === 'patterns' ? patterns(world) : claims() };
}
