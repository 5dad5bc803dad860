import { draft, type Scaffold } from './decision.ts';

/** Draft every time: nothing is learned from results, which is what the other policies are measured against. */
export const oneShot: Scaffold = (view) => draft(`attempt ${view.ordinal}, one-shot: every attempt is a fresh draft`);
