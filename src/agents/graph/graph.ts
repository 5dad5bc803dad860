import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import type { View } from '../../domain/node.ts';
import { type Step, type ThoughtDeps, type ThoughtState, thoughtSteps, transitions } from './steps.ts';
import type { Thought, Thoughts } from './thoughts.ts';

const State = Annotation.Root({
  view: Annotation<ThoughtState['view']>(),
  decision: Annotation<ThoughtState['decision']>(),
  lessons: Annotation<ThoughtState['lessons']>(),
  insights: Annotation<ThoughtState['insights']>(),
  reading: Annotation<ThoughtState['reading']>(),
  offer: Annotation<ThoughtState['offer']>(),
  problems: Annotation<ThoughtState['problems']>(),
  thought: Annotation<ThoughtState['thought']>(),
});

/** One saver per file: a saver creates its tables on first use. */
const savers = new WeakMap<Thoughts, SqliteSaver>();
function saverOf(thoughts: Thoughts): SqliteSaver {
  const saver = savers.get(thoughts) ?? new SqliteSaver(thoughts.db);
  savers.set(thoughts, saver);
  return saver;
}

/** The steps and their order as LangGraph runs and checkpoints them. */
function stateGraph(deps: ThoughtDeps) {
  switchOffTracing(process.env);
  const steps = thoughtSteps(deps);
  return new StateGraph(State)
    .addNode(steps)
    .addEdge(START, 'recall')
    .addEdge('recall', transitions.recall as Step)
    .addEdge('analyze', transitions.analyze as Step)
    .addEdge('retrieve', transitions.retrieve as Step)
    .addConditionalEdges('propose', transitions.propose as (state: ThoughtState) => Step, ['read', 'retrieve', 'check'])
    .addEdge('read', transitions.read as Step)
    .addConditionalEdges('check', transitions.check as (state: ThoughtState) => Step, ['repair', 'submit'])
    .addEdge('repair', transitions.repair as Step)
    .addEdge('submit', END);
}

/** Recursion limit. A reading attempt takes two steps per round of calls; more than this is an endless loop. */
const mostSteps = 150;

/** Identifies a thought by search, agent and attempt. */
export interface ThoughtKey {
  readonly search: string;
  readonly agent: string;
  readonly ordinal: number;
}

/** Runs one thought with a checkpoint after each step. A repeated call resumes after the last finished step. */
export async function runWithCheckpoints(
  deps: ThoughtDeps,
  view: View,
  thoughts: Thoughts,
  key: ThoughtKey,
): Promise<Thought> {
  const saver = saverOf(thoughts);
  const graph = stateGraph(deps).compile({ checkpointer: saver });
  const { search, agent, ordinal } = key;
  const configurable = { thread_id: thoughts.thread(search, agent, ordinal) };
  const before = await graph.getState({ configurable });
  // A request for this attempt implies that the previous thought was submitted, with all of its candidates.
  for (let back = 1; back <= (deps.spec.proposals ?? 1); back++) {
    await saver.deleteThread(thoughts.thread(search, agent, ordinal - back));
  }
  const done = before.values.thought as Thought | undefined;
  if (done) return done;
  const config = { configurable, durability: 'sync' as const, signal: deps.signal, recursionLimit: mostSteps };
  return (await graph.invoke(before.next.length > 0 ? null : { view }, config)).thought;
}

/** Variables that make LangChain's libraries send their inputs and outputs to a tracing service. */
const tracing = ['LANGSMITH_TRACING', 'LANGSMITH_TRACING_V2', 'LANGCHAIN_TRACING', 'LANGCHAIN_TRACING_V2'] as const;

/** Disables LangChain tracing: prompts and answers stay in this process, whatever the environment says (I7). */
export function switchOffTracing(environment: Record<string, string | undefined>): void {
  for (const name of tracing) delete environment[name];
}
