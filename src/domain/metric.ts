/** A task's figure and how it is read. */
export interface Metric {
  readonly name: string;
  readonly lowerIsBetter: boolean;
}

/**
 * Fitness is a finite number of which more is better; where a task's metric falls as things improve, it is the negated
 * metric. The same negation leads back, so that people are shown the metric and scaffolds see the fitness.
 */
export function fitnessOf(value: number, lowerIsBetter: boolean): number {
  // Not -0, which JSON and SQLite would turn into 0.
  return lowerIsBetter ? 0 - value : value;
}

/** The metric that a fitness stands for. */
export const metricValue = fitnessOf;
