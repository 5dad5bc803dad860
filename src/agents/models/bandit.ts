import type { BanditOptions, SoleModelName } from '../../domain/model.ts';
import type { View, ViewNode } from '../../domain/node.ts';
import { isScored } from './model.ts';

/** What is known of one of the models, and how it is ranked. */
export interface Arm {
  readonly model: SoleModelName;
  /** Attempts that it proposed; those that are pending are among them. */
  readonly pulls: number;
  /** Mean reward in [0, 1] of the attempts whose outcome is known; 0.5 while none is. */
  readonly reward: number;
  /** Mean dollars of an attempt. */
  readonly dollars: number;
  /** Price of an attempt relative to the mean of all models, its evaluation included. */
  readonly price: number;
  /** What it is ranked by; infinite before the first attempt. */
  readonly index: number;
}

/** So many attempts before an attempt are what it is compared with. */
const recent = 10;

/** The share of the attempts shortly before it that a judged attempt beats, ties half; 0 if it has no score. */
function rewardOf(node: ViewNode, judged: readonly ViewNode[]): number {
  if (!isScored(node)) return 0;
  const others = judged.filter((each) => each.ordinal < node.ordinal && node.ordinal - each.ordinal <= recent);
  if (others.length === 0) return 0.5;
  const beaten = others.map((other) => {
    if (!isScored(other)) return 1;
    return node.fitness > other.fitness ? 1 : node.fitness === other.fitness ? 0.5 : 0;
  });
  return beaten.reduce<number>((sum, each) => sum + each, 0) / others.length;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Which model shall propose: all of them, the best choice first, ties in the order in which they are named. Each is tried
 * once before any is tried twice; from then on by
 *
 *     index = (mean reward + c sqrt(ln t / n)) / ((1 - w) + w d / D)
 *
 * with n attempts of the model of t in all, d its mean dollars and D the mean of d over the models, c the exploration and w
 * the thrift. That is the upper confidence bound UCB1 (Auer, Cesa-Bianchi, Fischer 2002, Machine Learning 47) per unit of
 * cost, as in fractional KUBE (Tran-Thanh, Chapman, Rogers, Jennings 2012, AAAI 26), with a cost of which one part is the
 * evaluation and the other is money.
 *
 * The reward is a rank among the attempts shortly before, since scores grow while a search goes on, and a model that was
 * asked late would seem better than one that was asked early. A pending attempt counts in n and not in the mean: nobody is asked again
 * and again while results are out. All is folded from the view, whose order does not matter (I5).
 */
export function rankedArms(models: readonly SoleModelName[], view: View, options: BanditOptions): Arm[] {
  const { exploration, thrift } = options;
  const made = view.nodes.filter(({ model, ordinal }) => {
    return ordinal < view.ordinal && model !== undefined && models.includes(model);
  });
  const judged = made.filter(({ status }) => status !== 'pending');
  const known = models.map((model) => {
    const own = made.filter((node) => node.model === model).sort((a, b) => a.ordinal - b.ordinal);
    const rewards = own.filter(({ status }) => status !== 'pending').map((node) => rewardOf(node, judged));
    const dollars = own.length === 0 ? 0 : mean(own.map((node) => node.dollars ?? 0));
    return { model, pulls: own.length, reward: rewards.length === 0 ? 0.5 : mean(rewards), dollars };
  });
  const tried = known.filter(({ pulls }) => pulls > 0);
  const usual = tried.length === 0 ? 0 : mean(tried.map(({ dollars }) => dollars));
  return known
    .map((arm): Arm => {
      const price = usual > 0 ? 1 - thrift + (thrift * arm.dollars) / usual : 1;
      const bound = arm.reward + exploration * Math.sqrt(Math.log(made.length) / arm.pulls);
      return { ...arm, price, index: arm.pulls === 0 ? Number.POSITIVE_INFINITY : bound / price };
    })
    .sort((a, b) => (a.index === b.index ? 0 : b.index - a.index));
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** One line on a choice, for the trace. */
export function whyArm(chosen: Arm, all: readonly Arm[]): string {
  if (chosen.pulls === 0) return `${chosen.model} proposes, because it has not been tried yet`;
  const figures = ({ reward, pulls, price }: Arm) =>
    `reward ${short(reward)} after ${pulls}${price === 1 ? '' : `, price ${short(price)}`}`;
  const others = all.filter(({ model }) => model !== chosen.model);
  const rest = others.map((arm) => `${arm.model} ${short(arm.index)} (${figures(arm)})`).join(', ');
  return `${chosen.model} proposes by confidence bound ${short(chosen.index)} (${figures(chosen)}) against ${rest}`;
}
