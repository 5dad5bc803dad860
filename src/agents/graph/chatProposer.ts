import type { AgentSpec, Purpose } from '../../domain/agent.ts';
import type { Space } from '../../domain/candidate.ts';
import { errorMessage, TerminalError } from '../../domain/errors.ts';
import type { OpenRetriever } from '../../domain/literature.ts';
import { isBandit, isLocal, isOutside, isProgram, splitModel } from '../../domain/model.ts';
import type { View, ViewNode } from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import type { Stage } from '../../domain/rehearsal.ts';
import type { Experiment } from '../../domain/search.ts';
import {
  type Answer,
  type ChatMessage,
  type ChatRequest,
  type LlmClient,
  readAnswer,
  readLeniently,
} from '../../llm/index.ts';
import {
  type Analysis,
  type AnswerForm,
  analysisForm,
  callTokens,
  insightInstructions,
  insightsText,
  lessonsEach,
  outputTokens,
  usableInsights,
} from '../operators/answers.ts';
import { promptsFor } from '../operators/prompts.ts';
import { remainingBudgetText, repairPrompt, severalPrompt, shorterPrompt } from '../operators/sections.ts';
import { investigation, type RehearsalDeps } from '../tools/investigation.ts';
import { readerOf } from '../tools/reading.ts';
import type { ReadingState, Toolbox } from '../tools/toolbox.ts';
import {
  noAnalysis,
  type Problem,
  type ProposalResult,
  type ProposeInput,
  type Proposer,
  type SingleResult,
} from './proposers.ts';

/** What a language-model agent needs in addition to its specification. */
interface ChatProposerDeps {
  readonly gateway: LlmClient;
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter?: boolean | undefined;
  /** Required for program spaces. */
  readonly brief?: Brief | undefined;
  readonly experiment?: Experiment | undefined;
  /** Required if the specification has `literature`. */
  readonly openRetriever: OpenRetriever | null;
  /** Required if the specification has multi-turn `operators`. */
  readonly stage?: Stage | undefined;
  /** Absent in an audit. */
  readonly rehearsing?: RehearsalDeps | undefined;
}

/** The messages of a question: the prompt, then the tool calls and results, then each unusable answer with its problem. */
function conversation(prompt: string, turns: readonly ChatMessage[], problems: readonly Problem[]): ChatMessage[] {
  const messages: ChatMessage[] = [{ role: 'user', text: prompt }, ...turns];
  const append = (text: string): void => {
    // Some servers reject two consecutive messages of one role, and they count tool results as the user's.
    if (messages.at(-1)?.role === 'tools') messages.push({ role: 'assistant', text: '(no usable answer)' });
    const last = messages.at(-1);
    if (last?.role === 'user') messages[messages.length - 1] = { role: 'user', text: `${last.text}\n\n${text}` };
    else messages.push({ role: 'user', text });
  };
  for (const { kind, message, text } of problems) {
    if (kind !== 'truncated' && text.trim() !== '') messages.push({ role: 'assistant', text });
    append(kind === 'truncated' ? shorterPrompt() : repairPrompt(message));
  }
  return messages;
}

const readingOf = ({ isOlder }: Answer) => (isOlder ? readAnswer : readLeniently);

function problemOf({ outcome, problem, text }: Answer): Problem | null {
  switch (outcome) {
    case 'complete':
    case 'toolless':
      return null;
    case 'malformed':
      return { kind: outcome, message: problem ?? 'the answer does not match the schema', text };
    case 'truncated':
      return { kind: outcome, message: 'the answer was cut off at the limit of output tokens', text };
    case 'refused':
      return { kind: outcome, message: `the model declined to answer: ${text}`, text };
    case 'empty':
      return { kind: outcome, message: 'the answer was empty', text };
  }
}

/** Whether a request offers tools, and whether they may be called. */
interface ToolAccess {
  readonly how: ReadingState['how'];
  readonly open: boolean;
}

interface Asking {
  readonly view: View;
  readonly parents: readonly ViewNode[];
  readonly round: number;
  /** Factor on the output token limit. */
  readonly room: number;
  /** Candidates asked for, or sets of lessons: the answer is as many times as long. */
  readonly count: number;
  readonly reading: ToolAccess | null;
  readonly signal: AbortSignal;
}

/** The tools of an agent; null if it uses none. @throws TerminalError for multi-turn operators without what they need. */
export function toolboxOf(
  spec: AgentSpec,
  {
    gateway,
    openRetriever,
    stage,
    rehearsing,
    brief,
  }: Pick<ChatProposerDeps, 'openRetriever' | 'stage' | 'rehearsing' | 'brief'> & {
    gateway: Pick<LlmClient, 'recall'>;
  },
): Toolbox | null {
  const { literature, operators } = spec;
  const reader = literature && openRetriever ? readerOf(literature, openRetriever, gateway) : null;
  if (!operators) return reader;
  if (!stage) throw new TerminalError('stage', `${spec.name} has multi-turn operators, but the search states no stage`);
  return investigation({ spec: operators, stage, brief, gateway, rehearsing, reader });
}

/** A language model as a proposer. No state survives between calls (I5). */
export function chatProposer(
  spec: AgentSpec,
  space: Space,
  { gateway, openRetriever, stage, rehearsing, ...shared }: ChatProposerDeps,
): Proposer {
  const prompts = promptsFor({ ...shared, space, role: spec.role ?? '' });
  const toolbox = toolboxOf(spec, { gateway, openRetriever, stage, rehearsing, brief: shared.brief });

  const request = (
    purpose: Purpose,
    form: AnswerForm<unknown>,
    messages: readonly ChatMessage[],
    { parents, room, count, reading }: Pick<Asking, 'parents' | 'room' | 'count' | 'reading'>,
  ): ChatRequest => {
    const withTools = reading?.how === 'tools' ? toolbox : null;
    const model = spec.models?.[purpose] ?? spec.model;
    if (isLocal(model) || isBandit(model) || isOutside(model) || isProgram(model))
      throw new TerminalError('model', `${model} is not a language model`);
    const compatible = splitModel(model).provider === 'compatible';
    const rules = [
      ...(withTools ? [withTools.rules] : []),
      ...(purpose !== 'analyze' && count > 1 ? [prompts.severalRules] : []),
    ].join('\n\n');
    const calls = withTools ? callTokens(spec.operators, space) : 0;
    const answer = prompts.answerTokens(purpose, parents) * count + calls;
    return {
      model,
      system: `${prompts.system(purpose, rules)}${purpose === 'analyze' && spec.insights ? insightInstructions : ''}`,
      messages,
      schema: form.jsonOf ? null : form.wire,
      ...(withTools ? { tools: withTools.tools } : {}),
      ...(withTools && reading && !reading.open ? { toolsClosed: true } : {}),
      maxTokens: spec.maxTokens ? spec.maxTokens * room : outputTokens(purpose, answer, spec.effort, room),
      ...(spec.effort ? { effort: spec.effort } : {}),
      ...(compatible && spec.temperature !== undefined ? { temperature: spec.temperature } : {}),
      ...(compatible ? { baseUrl: spec.baseUrl } : {}),
    };
  };

  const ask = <T>(
    purpose: Purpose,
    form: AnswerForm<T>,
    messages: readonly ChatMessage[],
    { view, parents, round, signal, ...rest }: Asking,
  ): Promise<Answer> =>
    gateway.ask(
      {
        scope: { agent: spec.name, ordinal: view.ordinal, purpose, round },
        request: request(purpose, form, messages, { parents, ...rest }),
        remainingBudget: remainingBudgetText(view),
        problem: (text) => {
          const read = readLeniently(form.jsonOf?.(text) ?? text, form.schema);
          return read.ok ? null : read.problem;
        },
      },
      signal,
    );

  return {
    name: spec.model,
    canRepair: true,
    toolbox,

    async propose(input: ProposeInput): Promise<ProposalResult> {
      const { operator, parents, view, count, reading, problems, signal } = input;
      const single = prompts.form(operator);
      const list = count > 1 ? prompts.listForm(operator) : null;
      const form: AnswerForm<unknown> = list ?? single;
      const { passages, turns, retrieved } = reading;
      const question = `${prompts.question(operator, { view, parents, passages })}${insightsText(view)}`;
      const prompt = list ? `${question}${severalPrompt(count)}` : question;
      const open = toolbox !== null && problems.length === 0 && toolbox.mayCall(reading);
      const room = problems.at(-1)?.kind === 'truncated' ? 2 : 1;
      const round = { view, parents, round: problems.length, room, count, reading: { how: reading.how, open }, signal };
      const answer = await ask(operator, form, conversation(prompt, turns, problems), round);
      const { text, calls, carried } = answer;
      if (answer.outcome === 'toolless') return { toolless: true };
      if (calls.length > 0 && open) return { asks: { text, calls, carried } };
      if (calls.length > 0) {
        const message = 'tool calls are no longer allowed: answer with what you know';
        return { problem: { kind: 'malformed', message, text } };
      }
      const problem = problemOf(answer);
      if (problem) return { problem };
      const shown = new Set([...view.nodes.map((node) => node.id as string), ...retrieved.map(({ id }) => id)]);
      const resultOf = (json: string, text: string): SingleResult => {
        const read = readingOf(answer)(json, single.schema);
        if (!read.ok) return { problem: { kind: 'malformed', message: read.problem, text } };
        try {
          const candidate = read.value.candidate(parents);
          const { hypothesis, change, expected_fitness: expected, evidence: cited } = read.value.reasons;
          const evidence = [...new Set(cited)].filter((id) => shown.has(id));
          return { proposal: { candidate, change, expected, hypothesis, evidence }, text };
        } catch (thrown) {
          if (!(thrown instanceof TerminalError)) throw thrown;
          return { problem: { kind: 'invalid', message: errorMessage(thrown), text } };
        }
      };
      const json = form.jsonOf?.(text) ?? text;
      if (!list) return resultOf(json, text);
      const read = readingOf(answer)(json, list.schema);
      if (!read.ok) return { problem: { kind: 'malformed', message: read.problem, text } };
      const items = read.value.slice(0, count).map((item) => JSON.stringify(item));
      return { several: items.map((item) => resultOf(item, item)) };
    },

    /** Lessons get one question and no repair: without them the agent still sees the results. */
    async learn(view: View, results: readonly ViewNode[], signal: AbortSignal): Promise<Analysis> {
      const form = analysisForm(spec.insights !== undefined);
      const messages = conversation(`${prompts.analysis(view, results)}${insightsText(view)}`, [], []);
      const answer = await ask('analyze', form, messages, {
        view,
        parents: [],
        round: 0,
        room: 1,
        count: Math.ceil(results.length / lessonsEach),
        reading: null,
        signal,
      });
      const read = answer.outcome === 'complete' ? readingOf(answer)(answer.text, form.schema) : null;
      if (!read?.ok) return noAnalysis;
      const lessons = results.flatMap(({ id }) => {
        const lesson = read.value.lessons.find(({ node }) => node === id);
        return lesson ? [{ node: id, text: lesson.text }] : [];
      });
      return { lessons, insights: usableInsights(read.value.insights, view) };
    },
  };
}
