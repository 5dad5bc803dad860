import type { OpenRetriever } from '../../domain/literature.ts';
import type { LocalModelName } from '../../domain/model.ts';
import { bayesModel } from './bayes.ts';
import type { PythonOptions } from './bayesHelper.ts';
import type { AnyModel } from './model.ts';
import { mutateModel, randomModel } from './mutate.ts';
import { priorModel } from './prior.ts';
import { tunerModel } from './tuner/tuner.ts';

export type { PythonOptions } from './bayesHelper.ts';
export type { AnyModel } from './model.ts';

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
