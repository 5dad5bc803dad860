/**
 * Do the verdicts of table studies hold for new trainings? Simulates whole studies on redrawn tables.
 *
 * usage: node bench/inference.mjs [--table FILE] [--seeds N] [--studies N] [--searches N] [--evaluations N] [--markdown FILE]
 *
 * Every repetition draws a new table with the noise of the measured one: the mean of each architecture, plus, per training
 * seed, half of the variance as a random combination of the measured residuals of all training seeds (similar architectures
 * gain and lose together) and half of it independent, with each architecture's own standard deviation. On it runs a study of
 * two arms of one-shot searches, whose proposals are the product's, with the product's comparison. In `flat` tables all
 * architectures have one mean, so that any two arms are equal whatever they hand in; in `fitted` tables a twin is compared
 * with its like, and two different arms with their mean difference over all repetitions, which is taken off for the test.
 * The last columns are those of resampling searches alone, as if trainings were not shared.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rewriteSection } from '../scripts/section.mjs';

const root = new URL('..', import.meta.url).pathname;
const load = (path) => import(join(root, 'dist', path));
const [
  { rngFor },
  { readTable, Table },
  { studySchema, tableFacts, tableSearch },
  { simulate },
  { comparisonsOf },
  statistics,
  { createModel },
] = await Promise.all([
  load('domain/rng.js'),
  load('evaluators/index.js'),
  load('studies/index.js'),
  load('studies/tabulated.js'),
  load('studies/analysis.js'),
  load('statistics/index.js'),
  load('agents/index.js'),
]);
const [{ memoized, notesRetriever }, { createLogger }] = await Promise.all([
  load('literature/index.js'),
  load('platform/index.js'),
]);

const defaults = {
  table: { type: 'string', default: join(root, 'tables/compose-mad-3p-6.json') },
  studies: { type: 'string', default: '400' },
  searches: { type: 'string', default: '96' },
  evaluations: { type: 'string', default: '16' },
  seeds: { type: 'string' },
  markdown: { type: 'string' },
};
const { values: given } = parseArgs({ options: defaults });
const { file } = readTable(given.table);
const repetitions = Number(given.studies);
const searches = Number(given.searches);
const trainingSeeds = Number(given.seeds ?? file.seeds.length);
/** Search seeds whose proposals are recorded; a study draws its searches from them. */
const recorded = 120;
const permutations = 99;

const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
const names = Object.keys(file.scores);
const fitted = names.map((name) => mean(file.scores[name].filter((score) => score !== null)));
const residuals = names.map((name, index) =>
  file.scores[name].map((score) => (score ?? fitted[index]) - fitted[index]),
);
const seedMeans = file.seeds.map((_, seed) => mean(residuals.map((row) => row[seed])));
const freedom = file.seeds.length - 1;
const sds = residuals.map((row) =>
  Math.sqrt(row.reduce((sum, each, seed) => sum + (each - seedMeans[seed]) ** 2, 0) / freedom),
);
const level = mean(fitted);

/** Mean product of the residuals of two of the hundred best architectures that differ in `layers` layers, over their variance. */
function sharedNoise(layers) {
  const best = names
    .map((_, index) => index)
    .sort((a, b) => fitted[b] - fitted[a])
    .slice(0, 100);
  const noise = (index) => residuals[index].map((each, seed) => each - seedMeans[seed]);
  const product = (one, other) => mean(noise(one).map((each, seed) => each * noise(other)[seed]));
  const differing = (one, other) => {
    const [first, second] = [one, other].map((index) => names[index].split(' '));
    return first.filter((layer, at) => layer !== second[at]).length;
  };
  const pairs = best.flatMap((one) =>
    best.filter((other) => differing(one, other) === layers).map((other) => [one, other]),
  );
  return mean(pairs.map(([one, other]) => product(one, other))) / mean(best.map((index) => product(index, index)));
}

/** A table with the measured noise, on which a repetition runs. */
function redrawn(world, repetition) {
  const rng = rngFor('null', world, repetition);
  const normal = () => Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
  const seeds = Array.from({ length: trainingSeeds }, (_, index) => index + 1);
  const weights = seeds.map(() => file.seeds.map(() => normal() / Math.sqrt(freedom)));
  const scores = Object.fromEntries(
    names.map((name, index) => [
      name,
      weights.map((row) => {
        const shared = row.reduce((sum, weight, seed) => sum + weight * (residuals[index][seed] - seedMeans[seed]), 0);
        const own = sds[index] * normal();
        return (world === 'flat' ? level : fitted[index]) + Math.SQRT1_2 * (shared + own);
      }),
    ]),
  );
  return new Table({ ...file, seeds, scores });
}

const openRetriever = memoized(notesRetriever(createLogger('bench')));
const create = (name) => createModel(name, { python: 'none', env: {}, packageRoot: root }, openRetriever);
const measured = new Table(file);

/** What one-shot searches propose does not depend on scores, so it is recorded once: candidates by search seed. */
async function proposals(agent, model, evaluations) {
  const study = studySchema.parse({
    question: 'what is proposed',
    tasks: [{ table: 'measured' }],
    seeds: recorded,
    budget: { evaluations },
    arms: [0, 1].map((name) => ({ name: `arm-${name}`, agents: [{ name: agent, model, scaffold: 'one-shot' }] })),
  });
  const models = { [model]: create(model) };
  const all = [];
  for (let seed = 1; seed <= recorded; seed++) {
    const seen = [];
    const look = (candidate) => {
      seen.push(candidate);
      return measured.look(candidate, 0);
    };
    await simulate(tableSearch(study, study.arms[0], measured, seed), { models, look });
    all.push(seen);
  }
  return all;
}

const task = tableFacts(measured).label;
const runOf = (arm, table, seed, candidates) => {
  const seen = (seed - 1) % trainingSeeds;
  const scored = candidates.map((candidate) => ({ candidate, ...table.look(candidate, seen) }));
  const best = scored.reduce((one, other) => (other.score > one.score ? other : one));
  const judged = [...best.judged];
  const { candidate } = best;
  return {
    arm,
    task,
    seed,
    candidate,
    worth: mean(judged.filter((score) => score !== null)),
    crossed: { seen, judged },
  };
};

/** The comparison of one simulated study by the product, and by resampling its searches alone; `shift` is taken off. */
function judge(study, results, shift, repetition) {
  const value = (run) => run.worth - (run.arm === study.arms[0].name ? shift : 0);
  const [found] = comparisonsOf(study, results, value);
  const partners = new Map(results.filter((run) => run.arm === study.arms[1].name).map((run) => [run.seed, run]));
  const pairs = results
    .filter((run) => run.arm === study.arms[0].name)
    .map((run) => ({ stratum: run.task, first: value(run), second: value(partners.get(run.seed)) }));
  const rng = rngFor('alone', repetition);
  return {
    found,
    alone: {
      p: statistics.permutationTest(pairs, { rng, permutations }),
      interval: statistics.pairedBootstrap(pairs, { rng, resamples: 200, level: 0.95 }),
    },
  };
}

function repeat({ world, arms: [one, other] }) {
  const study = studySchema.parse({
    question: `null ${world} ${one.name} ${other.name}`,
    tasks: [{ table: 'redrawn' }],
    seeds: searches,
    budget: { evaluations: 1 },
    baseline: other.name,
    arms: [one, other].map(({ name }) => ({ name, agents: [{ name, model: 'local/random', scaffold: 'one-shot' }] })),
  });
  const all = Array.from({ length: repetitions }, (_, repetition) => {
    const table = redrawn(world, repetition);
    const rng = rngFor('searches', world, one.name, other.name, repetition);
    return Array.from({ length: searches }, (_each, index) => {
      const drawn = rng.below(recorded);
      return [one, other].map(({ name, lists }) => runOf(name, table, index + 1, lists[drawn]));
    }).flat();
  });
  const raw = all.map((results, repetition) => judge(study, results, 0, repetition));
  const equal = world === 'flat' || one.equal === true;
  const truth = equal ? 0 : mean(raw.map(({ found }) => found.effect));
  const centred = equal ? raw : all.map((results, repetition) => judge(study, results, truth, repetition));
  const share = (test) => centred.filter(test).length / centred.length;
  const covers = ({ low, high }) => low <= 0 && high >= 0;
  const average = (of) => mean(raw.map(of));
  return {
    truth,
    spread: Math.sqrt(average(({ found }) => (found.effect - truth) ** 2)),
    candidates: [0, 1].map((side) => average(({ found }) => found.candidates[side]).toFixed(0)).join(' and '),
    detectable: average(({ found }) => found.detectable ?? 0),
    typeOne: share(({ found }) => found.p <= 0.05),
    coverage: share(({ found }) => covers(found.interval)),
    typeOneAlone: share(({ alone }) => alone.p <= 0.05),
    coverageAlone: share(({ alone }) => covers(alone.interval)),
  };
}

const evaluations = Number(given.evaluations);
const chance = { name: 'chance', lists: await proposals('searcher', 'local/random', evaluations) };
const notes = { name: 'notes', lists: await proposals('searcher', 'local/prior', evaluations) };
const twin = { name: 'twin', equal: true, lists: await proposals('other', 'local/prior', evaluations) };
const worlds = [
  { world: 'flat', arms: [notes, chance], what: 'all architectures equal; drafts from notes, and chance' },
  { world: 'fitted', arms: [twin, notes], what: 'measured means; drafts from notes, twice' },
  { world: 'fitted', arms: [notes, chance], what: 'measured means; drafts from notes, and chance' },
];

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const head = [
  'tables; arms',
  'true difference',
  'its spread',
  'candidates handed in',
  'type I error',
  'coverage',
  'minimum detectable effect',
  'type I error, searches alone',
  'coverage, searches alone',
];
const rows = [];
for (const each of worlds) {
  const row = repeat(each);
  rows.push([
    each.what,
    row.truth.toFixed(4),
    row.spread.toFixed(4),
    row.candidates,
    percent(row.typeOne),
    percent(row.coverage),
    row.detectable.toFixed(4),
    percent(row.typeOneAlone),
    percent(row.coverageAlone),
  ]);
  process.stderr.write(`${rows.at(-1).join(' | ')}\n`);
}
const flags = Object.entries(given).flatMap(([name, value]) =>
  name === 'markdown' || value === undefined || value === defaults[name].default ? [] : [` --${name} ${value}`],
);
const error = (100 * Math.sqrt((0.05 * 0.95) / repetitions)).toFixed(1);
const text = [
  `${repetitions} simulated studies per line, of ${searches} paired searches of ${evaluations} evaluations on ${trainingSeeds} training seeds redrawn from table ${measured.version}; nominal 5 % and 95 %, standard error of a share ${error} %.`,
  '',
  `Among the hundred best architectures, two that differ in one layer share ${sharedNoise(1).toFixed(2)} of the noise of a training seed; in two layers ${sharedNoise(2).toFixed(2)}, in four ${sharedNoise(4).toFixed(2)}.`,
  '',
  ...[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`),
  '',
  `- Produced by \`node bench/inference.mjs${flags.join('')}\``,
].join('\n');
if (given.markdown === undefined) process.stdout.write(`${text}\n`);
else {
  rewriteSection(given.markdown, 'inference', text);
}
