/** Processor seconds that a script may use, in all its processes, where its host has measured what they are worth here. */
export interface Allowance {
  /** Each zone starts an interpreter. */
  readonly start: number;
  /** Training and one prediction together: what is used up in the one is missing in the other. */
  readonly work: number;
}

/** What a training may use. */
export const forTraining = (limit: number, allowance: Allowance | undefined): number =>
  allowance ? Math.min(limit, allowance.start + allowance.work) : limit;

/** What each prediction may use after a training that has used `trained` seconds. */
export function forPrediction(limit: number, allowance: Allowance | undefined, trained: number): number {
  if (!allowance) return limit;
  const left = allowance.work - Math.max(0, trained - allowance.start);
  return Math.min(limit, allowance.start + Math.max(0, left));
}
