import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { openLab, recordingPath } from '../../actors/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { type AgentName, type NodeId, nodeIdSchema, type SearchId } from '../../domain/ids.ts';
import { checkSize } from '../../domain/plan.ts';
import { manifestOf, primitiveFolders, versionFor } from '../../evaluators/index.ts';
import { type ArchiveReader, readArchive } from '../../memory/index.ts';
import {
  chooseDevices,
  coloursFor,
  findPython,
  inspectMachine,
  jsonLine,
  printable,
  systemTimers,
} from '../../platform/index.ts';
import { attributionText, confrontationText, storyHtml, storyText, writeWhole } from '../../report/index.ts';
import { probeSandbox } from '../../sandbox/index.ts';
import { type Attribution, type AttributionPlan, conclude, planAttribution } from '../../studies/index.ts';
import { dataFolder, requireSameContent } from '../../tasks/index.ts';
import {
  agentEndText,
  attributionSentence,
  changeVerdict,
  confront,
  exchangesOf,
  type FullTrace,
  type Story,
  storyOf,
  timelineOf,
} from '../../views/index.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import {
  agentArgument,
  homeOption,
  jsonOption,
  numberWithin,
  option,
  primitivesOption,
  requireHome,
  searchArgument,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { labOptions, type SystemOptions } from '../setting.ts';

interface TraceOptions extends AttributeOptions {
  json?: boolean;
  html?: boolean;
  attribute?: NodeId;
  against?: NodeId;
  full?: boolean;
  seeds: number;
  changes: number;
  minutes?: number;
}

const nodeArgument = (text: string): NodeId => {
  const parsed = nodeIdSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError('not the name of a node, an agent or a search');
  return parsed.data;
};

/** Trains what the attribution needs. No reader may be open: the lab writes to the same archive. */
async function runAttribution(search: SearchId, options: TraceOptions): Promise<Attribution | null> {
  const { attribute: node, against = null, seeds, changes: mostChanges, minutes = null } = options;
  if (node === undefined) return null;
  if (seeds < 2)
    throw new PrerequisiteError('usage', 'one seed cannot show the noise between seeds', 'give --seeds 2 or more');
  const reader = readArchive(options.home);
  let plan: AttributionPlan;
  try {
    plan = planAttribution(reader, search, { node, against, seeds, mostChanges: Math.max(1, mostChanges), minutes });
  } finally {
    reader.close();
  }
  return attribute(plan, options, (line) => process.stderr.write(`${line}\n`));
}

/** What `--full` adds: recorded exchanges and timelines. */
function fullTrace(reader: ArchiveReader, home: string, search: SearchId, { agents }: Story): FullTrace {
  return {
    exchanges: exchangesOf(reader, search, recordingPath(home, search)),
    timelines: new Map(agents.map(({ agent }) => [agent, timelineOf(reader, search, agent as AgentName)])),
  };
}

/** The other side: an agent of the same search where one is traced, else a search of this lab. */
function otherSide(reader: ArchiveReader, search: SearchId, agent: AgentName | undefined, other: string): Story {
  const isAgent = reader.searches.spec(search).agents.some(({ name }) => name === other);
  if (agent !== undefined && isAgent) return storyOf(reader, search, other as AgentName);
  if (reader.searches.exists(other as SearchId)) {
    const theirs = reader.searches.spec(other as SearchId).agents.some(({ name }) => name === agent);
    return storyOf(reader, other as SearchId, theirs && agent !== undefined ? agent : null);
  }
  const remedy = 'name another search of this lab, or trace an agent and name another agent of its search';
  throw new PrerequisiteError(
    'against',
    `there is nothing called "${other}" to compare ${agent ?? search} with`,
    remedy,
  );
}

async function trace(search: SearchId, agent: AgentName | undefined, options: TraceOptions): Promise<number> {
  const attribution = await runAttribution(search, options);
  const reader = readArchive(options.home);
  try {
    const story = storyOf(reader, search, agent ?? null);
    const full = options.full ? fullTrace(reader, options.home, search, story) : null;
    const other = options.attribute === undefined ? options.against : undefined;
    const endText = ({ end }: Story['agents'][number]) => (end?.code === 'budget-used' ? null : agentEndText(end));
    const against = other === undefined ? null : confront(story, otherSide(reader, search, agent, other), endText);
    if (options.html) {
      const path = writeWhole(
        join(options.home, 'reports', `${search}-trace${agent ? `-${agent}` : ''}.html`),
        await storyHtml(story, attribution, { full, against }),
      );
      process.stdout.write(options.json ? `${jsonLine({ event: 'page', v: 1, path })}\n` : `trace: ${path}\n`);
    } else if (attribution) {
      const result = { ...attribution, sentence: attributionSentence(attribution) };
      const changes = attribution.changes.map((change) => ({ ...change, verdict: changeVerdict(change) }));
      const line = jsonLine({ event: 'attribution', v: 1, ...result, changes });
      process.stdout.write(`${options.json ? line : printable(attributionText(attribution), { lines: true })}\n`);
    } else if (against) {
      const line = jsonLine({ event: 'against', v: 1, ...against });
      process.stdout.write(`${options.json ? line : printable(confrontationText(against), { lines: true })}\n`);
    } else if (options.json) {
      for (const { steps, ...self } of story.agents) {
        process.stdout.write(`${jsonLine({ event: 'agent', v: 1, ...self })}\n`);
        for (const step of steps) {
          process.stdout.write(`${jsonLine({ event: 'step', v: 1, agent: self.agent, ...step })}\n`);
          for (const exchange of full?.exchanges.get(step.node) ?? []) {
            process.stdout.write(`${jsonLine({ event: 'exchange', v: 1, node: step.node, ...exchange })}\n`);
          }
        }
        for (const moment of full?.timelines.get(self.agent) ?? []) {
          process.stdout.write(`${jsonLine({ event: 'moment', v: 1, agent: self.agent, ...moment })}\n`);
        }
      }
    } else process.stdout.write(`${storyText(story, coloursFor(process.stdout), full)}\n`);
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function traceCommand(done: (code: number) => void): Command {
  const command = new Command('trace')
    .description('explain each agent’s decisions: what it knew, chose, read, changed, expected and learned')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .addArgument(new Argument('[agent]', 'one of its agents').argParser(agentArgument))
    .action(async (search: SearchId, agent: AgentName | undefined, options: TraceOptions) =>
      done(await trace(search, agent, options)),
    );
  return withOptions(
    command,
    homeOption(),
    jsonOption(),
    option(
      '--attribute <node>',
      'undo each change of this node alone, retrain on paired seeds, and report what each contributed',
    ).argParser(nodeArgument),
    option(
      '--against <other>',
      'compare side by side with another agent or search; with --attribute: relative to this node instead of the first parent',
    ).argParser(nodeArgument),
    option(
      '--full',
      'with prompts, reasoning, tool rounds, answers, tries, whole tracebacks, and a timeline per agent',
    ),
    option('--seeds <number>', 'paired seeds per attribution').argParser(numberWithin(0, 10_000)).default(5),
    option('--changes <number>', 'maximum number of changes; adjacent ones are merged beyond that')
      .argParser(numberWithin(0, 512))
      .default(8),
    option('--minutes <number>', 'time limit of an attribution').argParser(numberWithin(1, 1_000_000)),
    option('--workers <number>', 'parallel trainings').argParser(workerNumber),
    primitivesOption(),
    unsafeOption(),
    option('--html', 'write a page with each agent’s tree, operators and exploration'),
  );
}

export interface AttributeOptions extends SystemOptions {
  workers?: number;
}

/** Interval between progress lines. */
const progressEveryMs = 5000;

/**
 * Trains what an attribution needs in its own lab on this home, and evaluates it. Resumes if interrupted.
 *
 * @throws PrerequisiteError if this machine's trainers differ from the search's, or the home is in use.
 */
export async function attribute(
  plan: AttributionPlan,
  options: AttributeOptions,
  say: (line: string) => void,
): Promise<Attribution> {
  const { spec, source, seeds } = plan;
  checkSize(spec, source);
  const primitives = primitiveFolders(options.primitives ?? []);
  const own = await manifestOf(spec.space, await findPython(), primitives);
  const setting = await labOptions({ ...options, primitives: own.length > 0 ? primitives : [] });
  const machine = await inspectMachine(setting.helpers.python);
  const devices = chooseDevices(options.workers ?? 'auto', machine);
  const evaluator = versionFor(spec.space.kind, devices[0]?.class ?? 'cpu', own);
  if (evaluator !== spec.evaluator) {
    throw new PrerequisiteError(
      'evaluator-changed',
      `"${plan.search}" was trained by ${spec.evaluator}, but this machine has ${evaluator}: their scores are not comparable`,
      'check out the version it was trained with',
    );
  }
  await requireSameContent(spec, dataFolder(options.home));
  if (spec.space.kind === 'program') await probeSandbox(setting.workers);
  const trainings = spec.references.length * (seeds + 1);
  const changes = `${plan.changes.length} ${plan.changes.length === 1 ? 'change' : 'changes'}`;
  say(`${changes}, at most ${trainings} trainings, as ${spec.id}`);
  outliveOutput();
  requireHome(setting.home);
  const lab = await openLab(setting, []);
  let stopped = false;
  try {
    const running = lab.runSearch(spec, source, { devices, without: [] });
    const interrupts = onInterrupt(() => {
      stopped = true;
      running.drain();
    });
    const stopReporting = systemTimers.every(progressEveryMs, () => {
      const searchStatus = running.searchStatus();
      if (searchStatus) {
        const { done, failed, pending } = searchStatus.trainings;
        say(`${done + failed} trained, ${pending} left`);
      }
    });
    const end = await running.ended;
    stopReporting();
    interrupts.dispose();
    if (end.how === 'failed') throw end.error;
  } finally {
    await lab.close();
  }
  if (stopped) {
    throw new PrerequisiteError(
      'interrupted',
      'stopped before all trainings were done',
      'run the same command again to resume',
    );
  }
  const reader = readArchive(options.home);
  try {
    return conclude(plan, reader.records.nodes(spec.id));
  } finally {
    reader.close();
  }
}
