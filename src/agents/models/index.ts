/**
 * `aira/models`: what turns a decision into a candidate. The interface, and the shipped models that run in this process and
 * need nothing else.
 *
 * @example
 * ```ts
 * import { mutateModel, type StackSpace } from 'aira/models';
 * import { rngFor } from 'aira/scaffolds';
 *
 * const space: StackSpace = { kind: 'stack', layers: 4, primitives: ['M', 'mA', 'Mb'] };
 * const view = { ordinal: 1, remaining: 60, nodes: [] };
 * const { candidate } = await mutateModel().propose({ operator: 'draft', parents: [], view, space, rng: rngFor(1) });
 * ```
 */
import type { OpenRetriever } from '../../domain/literature.ts';
import type { LocalModelName } from '../../domain/model.ts';
import { bayesModel, type PythonOptions } from './bayes.ts';
import type { AnyModel } from './model.ts';
import { mutateModel, randomModel } from './mutate.ts';
import { priorModel } from './prior.ts';
import { tunerModel } from './tuner.ts';

export type { StackSpace } from '../../domain/architecture.ts';
export type { Space } from '../../domain/candidate.ts';
export type { LocalModelName } from '../../domain/model.ts';
export type { PythonOptions } from './bayes.ts';
export type { AnyModel, LocalModel, Proposal, ProposalInput } from './model.ts';
export { mutateModel, randomModel } from './mutate.ts';
export { tunerModel } from './tuner.ts';

/** Creates the model of that name. Nothing starts before its first question. */
export function createModel(name: LocalModelName, python: PythonOptions, openRetriever: OpenRetriever): AnyModel {
  switch (name) {
    case 'local/random':
      return randomModel();
    case 'local/mutate':
      return mutateModel();
    case 'local/bayes':
      return bayesModel(python);
    case 'local/prior':
      return priorModel(openRetriever);
    case 'local/tuner':
      return tunerModel();
  }
}
