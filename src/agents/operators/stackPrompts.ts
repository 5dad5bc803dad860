import {
  type Architecture,
  canonicalText,
  parseArchitecture,
  parseInSpace,
  primitives,
  type StackSpace,
} from '../../domain/architecture.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { ViewNode } from '../../domain/node.ts';
import { lessonTokens, listForm, proposalForms, reasonTokens, type StatedProposal } from './answers.ts';
import {
  analysisPrompt,
  longestQuestion,
  proposalPrompt,
  type StackPromptDeps,
  severalInstructions,
  systemPrompt,
} from './prompts.ts';
import type { CandidatePrompts, Statement } from './sections.ts';

/** The candidate that a statement results in. @throws ArchitectureError; TerminalError for an edit outside the parent. */
function candidateOf({ architecture, edits }: StatedProposal, parents: readonly ViewNode[], space: StackSpace): string {
  if (architecture !== null)
    return canonicalText(parseArchitecture(architecture, [...primitives, ...space.primitives]));
  const [parent] = parents;
  if (!parent || !edits) throw new TerminalError('edit', 'there is no parent to edit: give a whole architecture');
  const layers = [...parseInSpace(parent.candidate, space)];
  for (const { layer, primitive } of edits) {
    if (!Number.isInteger(layer) || layer < 0 || layer >= layers.length) {
      throw new TerminalError('edit', `edit of layer ${layer}: the layers are 0 to ${layers.length - 1}`);
    }
    layers[layer] = primitive;
  }
  return canonicalText(layers satisfies Architecture);
}

/** Prompts for stacks of layers. */
export function stackPrompts(deps: Omit<StackPromptDeps, 'rules'>): CandidatePrompts {
  const { space } = deps;
  const forms = proposalForms(space);
  return {
    system: (purpose, rules) => systemPrompt(purpose, { ...deps, rules }),
    question: proposalPrompt,
    analysis: analysisPrompt,
    longestQuestion,
    // A layer or its edit takes at most eight tokens.
    answerTokens: (purpose) => (purpose === 'analyze' ? lessonTokens : reasonTokens + 8 * space.layers),
    severalRules: severalInstructions.trim(),
    listForm: (operator) => listForm(forms[operator]),
    form(operator) {
      const { schema, wire } = forms[operator];
      const stated = schema.transform(
        (reasons): Statement => ({ reasons, candidate: (parents) => candidateOf(reasons, parents, space) }),
      );
      return { schema: stated, wire };
    },
  };
}
