import { TerminalError } from '../../domain/errors.ts';
import type { OpenRetriever } from '../../domain/literature.ts';
import type { LocalModelName } from '../../domain/model.ts';
import { bayesModel } from './bayes.ts';
import type { PythonSetting } from './bayesHelper.ts';
import type { LocalModel } from './model.ts';
import { mutateModel } from './mutate.ts';
import { priorModel } from './prior.ts';
import { randomModel } from './random.ts';

export type { PythonSetting } from './bayesHelper.ts';
export type { LocalModel, Proposal, ProposalInput } from './model.ts';

/** The model of that name. Nothing is started before its first question. */
export function createModel(name: LocalModelName, setting: PythonSetting, openRetriever: OpenRetriever): LocalModel {
  switch (name) {
    case 'local/random':
      return randomModel();
    case 'local/mutate':
      return mutateModel();
    case 'local/bayes':
      return bayesModel(setting);
    case 'local/prior':
      return priorModel(openRetriever);
    case 'local/tuner':
      throw new TerminalError('model', 'local/tuner is not there yet');
  }
}
