import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import type { View } from '../../domain/node.ts';
import { switchOffTracing } from './privacy.ts';
import { following, type Step, type Thought, type ThoughtSetting, type ThoughtState, thoughtSteps } from './steps.ts';
import type { Thoughts } from './thoughts.ts';

const State = Annotation.Root({
  view: Annotation<ThoughtState['view']>(),
  decision: Annotation<ThoughtState['decision']>(),
  lessons: Annotation<ThoughtState['lessons']>(),
  reading: Annotation<ThoughtState['reading']>(),
  offer: Annotation<ThoughtState['offer']>(),
  problems: Annotation<ThoughtState['problems']>(),
  thought: Annotation<ThoughtState['thought']>(),
});

/** One saver per file: it makes its tables when it is first read. */
const savers = new WeakMap<Thoughts, SqliteSaver>();
function saverOf(thoughts: Thoughts): SqliteSaver {
  const saver = savers.get(thoughts) ?? new SqliteSaver(thoughts.db);
  savers.set(thoughts, saver);
  return saver;
}

/** The steps and their order as LangGraph runs and checkpoints them. */
function stateGraph(setting: ThoughtSetting) {
  switchOffTracing(process.env);
  const steps = thoughtSteps(setting);
  return new StateGraph(State)
    .addNode(steps)
    .addEdge(START, 'recall')
    .addEdge('recall', following.recall as Step)
    .addEdge('analyze', following.analyze as Step)
    .addEdge('retrieve', following.retrieve as Step)
    .addConditionalEdges('propose', following.propose as (state: ThoughtState) => Step, ['read', 'retrieve', 'check'])
    .addEdge('read', following.read as Step)
    .addConditionalEdges('check', following.check as (state: ThoughtState) => Step, ['repair', 'submit'])
    .addEdge('repair', following.repair as Step)
    .addEdge('submit', END);
}

/** A thought that reads takes two steps for each round of calls; one that needs more than these runs in a circle. */
const mostSteps = 150;

/** Which thought it is: of which attempt of which agent of which search. */
export interface Occasion {
  readonly search: string;
  readonly agent: string;
  readonly ordinal: number;
}

/**
 * One thought that is written down after each step. Asked again for the same attempt, by this process or by the next one,
 * it goes on after the last step that was finished.
 */
export async function thinkDurably(
  setting: ThoughtSetting,
  view: View,
  thoughts: Thoughts,
  occasion: Occasion,
): Promise<Thought> {
  const saver = saverOf(thoughts);
  const graph = stateGraph(setting).compile({ checkpointer: saver });
  const { search, agent, ordinal } = occasion;
  const configurable = { thread_id: thoughts.thread(search, agent, ordinal) };
  const before = await graph.getState({ configurable });
  // Whoever asks for this attempt has submitted the one before.
  await saver.deleteThread(thoughts.thread(search, agent, ordinal - 1));
  const done = before.values.thought as Thought | undefined;
  if (done) return done;
  const config = { configurable, durability: 'sync' as const, signal: setting.signal, recursionLimit: mostSteps };
  return (await graph.invoke(before.next.length > 0 ? null : { view }, config)).thought;
}
