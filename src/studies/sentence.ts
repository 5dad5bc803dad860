import { fewestPairs } from '../statistics/power.ts';
import type { Study } from './spec.ts';
import type { Comparison } from './verdict.ts';

/** Beyond so many further seeds the answer is that there is next to nothing to find. */
const mostSeeds = 10_000;

/** The figures of one sentence to equally many places: as many as show two digits of an interval of this width. */
function figures(width: number): (value: number) => string {
  const places = width > 0 ? Math.min(9, Math.max(3, 1 - Math.floor(Math.log10(width)))) : 3;
  return (value) => {
    const text = value.toFixed(places);
    return Number(text) === 0 ? text.replace('-', '') : text;
  };
}
const count = (value: number): string => value.toLocaleString('en-GB');
const percent = (value: number): string => `${Number((100 * value).toPrecision(3))} %`;

/** `p` as it is quoted: never as zero. */
export const pText = (p: number): string => (p < 0.0001 ? 'p < 0.0001' : `p = ${p.toPrecision(2)}`);

/**
 * What a comparison says, in a sentence that a person can trust: better, worse, or not distinguishable at this budget and
 * how many more seeds it would take.
 */
export function sentenceOf(found: Omit<Comparison, 'sentence'>, study: Study, comparisons: number): string {
  const [one, other] = found.arms;
  const { effect, interval, pairs, adjusted, moreSeeds } = found;
  const number = figures(interval.high - interval.low);
  const after = comparisons > 1 ? ` after correction for ${comparisons} comparisons` : '';
  const where = `over ${count(pairs)} paired runs of ${count(study.budget.evaluations)} evaluations`;
  const size = `${number(Math.abs(effect))} [${number(effect < 0 ? -interval.high : interval.low)}, ${number(effect < 0 ? -interval.low : interval.high)}]`;
  if (found.verdict !== 'not distinguishable') {
    const ahead = percent(found.verdict === 'better' ? found.ahead : 1 - found.ahead);
    const side = found.verdict === 'better' ? 'higher' : 'lower';
    const which = found.verdict === 'better' ? 'ahead' : 'behind';
    return `${one} is ${found.verdict} than ${other}: ${size} ${side} ${where}, ${which} in ${ahead} of the pairs (${pText(adjusted)}${after}).`;
  }
  const head = `${one} and ${other} are not distinguishable at this budget: the difference is ${number(effect)} [${number(interval.low)}, ${number(interval.high)}] ${where} (${pText(adjusted)}${after})`;
  const fewest = fewestPairs(study.alpha / comparisons);
  const tail =
    moreSeeds === null
      ? effect === 0
        ? 'no difference was seen at all'
        : 'a difference as small as this one cannot be told from none by more seeds'
      : moreSeeds > mostSeeds
        ? `were it as large as it looks, it would take more than ${count(mostSeeds)} further seeds to tell`
        : `were it as large as it looks, it would take about ${count(moreSeeds)} more ${moreSeeds === 1 ? 'seed' : 'seeds'} to tell`;
  const few = pairs < fewest ? `; no difference whatever can be told from fewer than ${fewest} pairs` : '';
  const seen =
    found.detectable === null
      ? ''
      : `; a difference of ${number(found.detectable)} would have been seen with a chance of ${percent(study.power)}`;
  return `${head}; ${tail}${few}${seen}.`;
}
