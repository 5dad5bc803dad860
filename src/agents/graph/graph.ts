import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import Database from 'better-sqlite3';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import type { View } from '../../domain/node.ts';
import { makeFolder } from '../../platform/index.ts';
import { type Step, type Thought, type ThoughtDeps, type ThoughtState, thoughtSteps, transitions } from './steps.ts';

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
function stateGraph(setting: ThoughtDeps) {
  switchOffTracing(process.env);
  const steps = thoughtSteps(setting);
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

/** A thought that reads takes two steps for each round of calls; one that needs more than these runs in a circle. */
const mostSteps = 150;

/** Which thought it is: of which attempt of which agent of which search. */
export interface ThoughtKey {
  readonly search: string;
  readonly agent: string;
  readonly ordinal: number;
}

/**
 * One thought that is written down after each step. Asked again for the same attempt, by this process or by the next one,
 * it goes on after the last step that was finished.
 */
export async function runWithCheckpoints(
  setting: ThoughtDeps,
  view: View,
  thoughts: Thoughts,
  occasion: ThoughtKey,
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

/** Variables by which LangChain's libraries decide to send what passes through them to a tracing service. */
const tracing = ['LANGSMITH_TRACING', 'LANGSMITH_TRACING_V2', 'LANGCHAIN_TRACING', 'LANGCHAIN_TRACING_V2'] as const;

/** Prompts and answers stay in this process, whatever other programs on this machine want traced (I7). */
export function switchOffTracing(environment: Record<string, string | undefined>): void {
  for (const name of tracing) delete environment[name];
}

/** Changes with the graph: a thought that was begun by another form of it starts again, and finds its answers recorded. */
const graphVersion = 2;

/** Where unfinished thoughts are kept. A file of its own: it can be deleted without loss, since answers are recorded. */
export interface Thoughts {
  readonly db: Database.Database;
  /** The name of the thought of one attempt. */
  thread(search: string, agent: string, ordinal: number): string;
  close(): void;
}

/** @throws PrerequisiteError when the file cannot be used. */
export function openThoughts(path: string): Thoughts {
  let db: Database.Database;
  try {
    makeFolder(dirname(path), 0o700);
    // Prompts and answers: made readable for this user alone, where SQLite would ask the umask.
    closeSync(openSync(path, 'a', 0o600));
    db = new Database(path, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
  } catch (cause) {
    const remedy = 'delete the file: nothing is lost by that';
    throw new PrerequisiteError('thoughts', `cannot use ${path}: ${errorMessage(cause)}`, remedy, { cause });
  }
  return {
    db,
    thread: (search, agent, ordinal) => `${search}/${agent}/${ordinal}/v${graphVersion}`,
    close: () => db.close(),
  };
}

/** One thought, step after step, with nothing written down: a hundredth of the time that keeping it takes. */
export async function runSteps(setting: ThoughtDeps, view: View): Promise<Thought> {
  const steps = thoughtSteps(setting);
  let state = { view } as ThoughtState;
  for (let step: Step | null = 'recall'; step; ) {
    state = { ...state, ...(await steps[step](state)) };
    const next: (typeof transitions)[Step] = transitions[step];
    step = typeof next === 'function' ? next(state) : next;
  }
  return state.thought;
}
