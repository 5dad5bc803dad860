import type { Thought } from '../../agents/index.ts';

/** The bus's codes for a message that is longer than it may be. */
export const tooLarge: readonly string[] = ['message-too-large', 'message-invalid'];

/** Characters of a candidate that is cut; it is then refused as no candidate, and says so. */
const cutCharacters = 20_000;

/** A thought as it is, and smaller ones: without what it tells beside its candidate, and at last with the candidate cut. */
export function* smallerThoughts(thought: Thought): Generator<Thought> {
  yield thought;
  const { works: _, readings: __, ...rationale } = thought.rationale;
  const { lessons: ___, ...bare } = { ...thought, rationale };
  yield bare;
  yield { ...bare, candidate: `${thought.candidate.slice(0, cutCharacters)} ... (cut: too long for a message)` };
}
