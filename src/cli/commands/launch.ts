import { accessSync, constants, statSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { openLab, type PartName, parts } from '../../actors/ensemble.ts';
import { checkModels, keyring, loadPrices } from '../../agents/index.ts';
import type { Bus } from '../../bus/index.ts';
import { reads } from '../../domain/agent.ts';
import { canonicalJson, type Json } from '../../domain/canonical.ts';
import { AiraError, PrerequisiteError } from '../../domain/errors.ts';
import { agentNameSchema, type SearchId, searchIdSchema } from '../../domain/ids.ts';
import type { ReplyOf } from '../../domain/messages.ts';
import { planSearch } from '../../domain/plan.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { DeviceClass } from '../../domain/task.ts';
import {
  chooseDevices,
  type Device,
  engineFor,
  inspectMachine,
  loadTask,
  probeSandbox,
  profileOf,
  versionFor,
} from '../../evaluators/index.ts';
import { loadCorpus } from '../../literature/index.ts';
import { whyNot } from '../../platform/systemErrors.ts';
import { systemTimers } from '../../platform/timers.ts';
import type { Display, Ending } from '../display/display.ts';
import { jsonDisplay } from '../display/json.ts';
import { liveDisplay } from '../display/live.ts';
import { plainDisplay } from '../display/plain.ts';
import { dryRun } from '../dryRun.ts';
import { exitCodes } from '../fail.ts';
import { requireHome } from '../home.ts';
import { onInterrupt } from '../interrupts.ts';
import {
  homeOption,
  jsonOption,
  natsOption,
  offlineOption,
  option,
  pathArgument,
  portNumber,
  pricesOption,
  searchArgument,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { readSearchFile } from '../searchFile.ts';
import { systemSetting } from '../setting.ts';
import { writeReport } from '../writeReport.ts';

interface LaunchOptions {
  home: string;
  nats?: string;
  port?: number;
  resume?: SearchId;
  name?: SearchId;
  workers?: number;
  without: readonly PartName[];
  prices?: string;
  replay?: string;
  offline?: boolean;
  unsafe?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** A search that is about to run: a new one, or one that the archive knows. */
interface Prepared {
  readonly spec: SearchSpec;
  readonly source: string;
  readonly resumed: boolean;
}

function chooseDisplay(json: boolean | undefined): Display {
  if (json) return jsonDisplay((line) => process.stdout.write(line));
  if (process.stdout.isTTY && !process.env.CI) return liveDisplay(process.stdout, systemTimers);
  return plainDisplay((line) => process.stdout.write(line));
}

/** @throws PrerequisiteError where the trainers, or the notes that agents read, are not those that the search began with. */
async function resume(bus: Bus, search: SearchId, deviceClass: DeviceClass): Promise<Prepared> {
  const { spec, source } = await bus.ask('search-spec', { search });
  const evaluator = versionFor(spec.space.kind, deviceClass);
  if (spec.evaluator !== evaluator) {
    throw new PrerequisiteError(
      'evaluator-changed',
      `"${search}" was begun with evaluator ${spec.evaluator}, and the trainers here are ${evaluator}: their scores do not compare`,
      'check out the version it was begun with, or launch its file as a new search',
    );
  }
  const notes = spec.corpus === undefined ? undefined : loadCorpus().version;
  if (notes !== spec.corpus) {
    throw new PrerequisiteError(
      'corpus-changed',
      `the agents of "${search}" began with version ${spec.corpus} of the notes, and those here are ${notes}`,
      'check out the version it was begun with, or launch its file as a new search',
    );
  }
  return { spec, source, resumed: true };
}

/** What a replay answers from is looked at first, by a dry run as well. @throws PrerequisiteError `recording` */
function requireRecording(path: string | undefined): void {
  if (path === undefined) return;
  try {
    if (!statSync(path).isFile()) throw new PrerequisiteError('recording', `${path} is not a file`, 'give a recording');
    accessSync(path, constants.R_OK);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    const remedy = 'give the path of a recording, such as .aira/calls/<search>.jsonl';
    throw new PrerequisiteError('recording', `there is no recording ${path}: it ${whyNot(thrown)}`, remedy);
  }
}

/**
 * Has a search of this name ended before?
 *
 * @throws PrerequisiteError `search-differs` where the name belongs to another search.
 */
async function isFinished(bus: Bus, spec: SearchSpec): Promise<boolean> {
  let known: ReplyOf<'search-spec'>;
  try {
    known = await bus.ask('search-spec', { search: spec.id });
  } catch (thrown) {
    if (thrown instanceof AiraError && thrown.code === 'unknown-search') return false;
    throw thrown;
  }
  const text = (each: SearchSpec) => canonicalJson(each as unknown as Json);
  if (text(known.spec) !== text(spec)) {
    throw new PrerequisiteError(
      'search-differs',
      `"${spec.id}" is the name of another search in this lab`,
      `choose another --name, or continue that one with: aira launch --resume ${spec.id}`,
    );
  }
  return known.phase === 'finished';
}

async function launch(path: string | undefined, options: LaunchOptions): Promise<number> {
  if ((path === undefined) === (options.resume === undefined)) {
    const message = 'launch needs a search file, or --resume with the name of a search';
    throw new PrerequisiteError('usage', message, 'give one of them');
  }
  const read = path === undefined ? null : readSearchFile(path);
  const task = read && loadTask(read.file.task);
  const profile = read && task && profileOf(task, read.file.profile);
  requireRecording(options.replay);
  const setting = await systemSetting(options);
  const machine = await inspectMachine(setting.helpers.python);
  const devices = chooseDevices(options.workers ?? read?.file.workers ?? 'auto', machine);
  const deviceClass = devices[0]?.class ?? 'cpu';
  const corpus = read?.file.agents.some(reads) ? loadCorpus().version : undefined;
  const plan = (id: SearchId): Prepared | null =>
    read && task && profile
      ? {
          spec: planSearch(read.file, {
            ...{ id, task, profile, deviceClass, corpus },
            evaluator: versionFor(task.space.kind, deviceClass),
          }),
          source: read.source,
          resumed: false,
        }
      : null;
  // All that can be wrong with the file is found before anything is started or recorded.
  const planned = plan(options.name ?? searchIdSchema.parse('new'));
  const asks = options.replay === undefined && !options.without.includes('agents');
  const keys = keyring(process.env);
  if (planned && asks) checkModels(planned.spec, options.dryRun ? null : keys, loadPrices(options.prices));
  if (options.dryRun) {
    if (!planned) throw new PrerequisiteError('usage', '--dry-run needs a search file', 'give one');
    process.stdout.write(dryRun(planned.spec, loadPrices(options.prices), keys));
    return exitCodes.ok;
  }

  const display = chooseDisplay(options.json);
  requireHome(setting.home);
  const lab = await openLab(setting, options.without);
  try {
    const family = agentNameSchema.parse(read?.family ?? 'search');
    // Asked in any case: an archive that answers has set up the streams.
    const { search: freeName } = await lab.bus.ask('search-name', { family });
    const fresh = plan(options.name ?? freeName);
    if (fresh && options.name && (await isFinished(lab.bus, fresh.spec))) {
      display.notice(`"${options.name}" was finished before: nothing is trained, and its results are shown again`);
    }
    const prepared = options.resume ? await resume(lab.bus, options.resume, deviceClass) : fresh;
    if (!prepared) throw new AiraError('launch', 'there is nothing to run');
    if (prepared.spec.space.kind === 'program' && !options.without.includes('workers')) {
      await probeSandbox(setting.workers);
    }
    return await show(lab, prepared, devices, options, display);
  } finally {
    await lab.close();
  }
}

async function show(
  lab: Awaited<ReturnType<typeof openLab>>,
  { spec, source, resumed }: Prepared,
  devices: readonly Device[],
  options: LaunchOptions,
  display: Display,
): Promise<number> {
  const search = spec.id;
  const signs = await lab.bus.watchSigns((sign) => {
    if (sign.kind === 'worker') display.worker(sign.state);
    else if (sign.state.search === search) display.agent(sign.state);
  });
  const events = await lab.bus.consumeEvents({ search, from: 'new' }, (event) => display.event(event));
  display.started(spec, resumed);
  const { reason } = engineFor(spec.deviceClass);
  if (reason && spec.space.kind === 'stack') display.notice(`CPU workers train with torch, which is slower: ${reason}`);
  if (spec.space.kind === 'program' && options.unsafe) {
    display.notice('programs run without a sandbox, with your rights; what they score is marked as unsafe');
  }
  const running = lab.runSearch(spec, source, { devices, without: options.without });
  const interrupts = onInterrupt(() => {
    display.notice('stopping after the trainings under way; interrupt again to stop at once');
    running.drain();
  });
  const stopLooking = systemTimers.every(500, () => {
    const standing = running.standing();
    if (standing) display.standing(standing);
  });
  try {
    const end = await running.ended;
    if (end.how === 'failed') {
      display.ended({ how: 'failed', standing: running.standing(), report: null, summary: null });
      throw end.error;
    }
    const standing = await lab.bus.ask('search-standing', { search }, { attempts: 5 });
    const { scores } = await lab.bus.ask('search-tests', { search, purpose: 'report' }, { attempts: 5 });
    const report = writeReport(options.home, search, scores);
    await events.stop();
    const ending: Ending = { how: end.how, standing, report: report.path, summary: report.summary };
    display.ended(ending);
    return interrupts.code() ?? (standing.best === null ? exitCodes.noValidNode : exitCodes.ok);
  } finally {
    stopLooking();
    interrupts.dispose();
    await signs.stop();
  }
}

export function launchCommand(done: (code: number) => void): Command {
  const command = new Command('launch')
    .description('run an ensemble search')
    .addArgument(new Argument('[file]', 'a search file'))
    .action(async (path: string | undefined, options: LaunchOptions) => done(await launch(path, options)));
  return withOptions(
    command,
    homeOption(),
    natsOption(),
    option('--port <number>', 'port of the embedded NATS server; any free one without').argParser(portNumber),
    option('--resume <search>', 'continue a search where it stood').argParser(searchArgument),
    option('--name <search>', 'call the search so instead of after its file').argParser(searchArgument),
    option('--workers <number>', 'trainings at once, instead of what the file says').argParser(workerNumber),
    new Option('--without <parts...>', 'parts that other processes bring')
      .choices(parts)
      .env('AIRA_WITHOUT')
      .default([]),
    option('--dry-run', 'say what the search would do and cost, and start nothing'),
    pricesOption(),
    offlineOption(),
    unsafeOption(),
    option('--replay <recording>', 'answer from a recording of language models and ask none').argParser(pathArgument),
    jsonOption(),
  );
}
