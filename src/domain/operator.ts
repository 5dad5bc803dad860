import * as z from 'zod';

/**
 * What an agent did to obtain a candidate. `improve` varies one scored parent, `crossover` joins two, `debug` mends a
 * candidate that gave no score.
 */
export const operators = ['draft', 'improve', 'crossover', 'debug'] as const;
export const operatorSchema = z.enum(operators);
export type Operator = z.infer<typeof operatorSchema>;
