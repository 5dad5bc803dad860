import { accessSync, constants, statSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { type ComponentName, components, openLab, type WorkerOptions } from '../../actors/index.ts';
import type { Bus } from '../../bus/index.ts';
import { usesCorpus } from '../../domain/agent.ts';
import { canonicalJson, type Json } from '../../domain/canonical.ts';
import { isLost } from '../../domain/ending.ts';
import { AiraError, PrerequisiteError } from '../../domain/errors.ts';
import { rungSeeds } from '../../domain/evaluation.ts';
import { agentNameSchema, type SearchId, searchIdSchema } from '../../domain/ids.ts';
import type { ReplyOf } from '../../domain/messages.ts';
import { checkSize, planSearch } from '../../domain/plan.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { DeviceClass } from '../../domain/task.ts';
import { engineFor, localSettings, prepareTask, runsScripts, versionFor } from '../../evaluators/index.ts';
import { loadCorpus } from '../../literature/index.ts';
import { checkModels, keyring, loadPrices } from '../../llm/index.ts';
import { chooseDevices, type Device, inspectMachine, systemTimers, whyNot } from '../../platform/index.ts';
import { openSandbox, type Sandbox } from '../../sandbox/index.ts';
import { contentOf, dataFolder, loadTask, profileOf, registerTask } from '../../tasks/index.ts';
import type { Display, Ending } from '../display/display.ts';
import { jsonDisplay } from '../display/json.ts';
import { liveDisplay } from '../display/live.ts';
import { plainDisplay } from '../display/plain.ts';
import { dryRun } from '../dryRun.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import { type NatsOptions, natsOptions, unseparated } from '../nats.ts';
import {
  baseUrlOption,
  homeOption,
  jsonOption,
  offlineOption,
  option,
  pathArgument,
  portNumber,
  pricesOption,
  requireHome,
  searchArgument,
  taskOption,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { requireSameContent } from '../sameContent.ts';
import { addressesOf, labOptions, recordedAddresses } from '../setting.ts';
import { allTestScores, writeReport } from '../writeReport.ts';
import { readSearchFile } from '../yamlFile.ts';

interface LaunchOptions extends NatsOptions {
  home: string;
  port?: number;
  resume?: SearchId;
  name?: SearchId;
  workers?: number;
  without: readonly ComponentName[];
  prices?: string;
  replay?: string;
  offline?: boolean;
  unsafe?: boolean;
  task?: readonly string[];
  baseUrl?: readonly string[];
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

/** @throws PrerequisiteError where trainers, data or the notes that agents read are not those that the search began with. */
async function resume(bus: Bus, search: SearchId, deviceClass: DeviceClass, home: string): Promise<Prepared> {
  const { spec, source } = await bus.ask('search-spec', { search });
  const evaluator = versionFor(spec.space.kind, deviceClass);
  if (spec.evaluator !== evaluator) {
    throw new PrerequisiteError(
      'evaluator-changed',
      `"${search}" was begun with evaluator ${spec.evaluator}, and the trainers here are ${evaluator}: their scores do not compare`,
      'check out the version it was begun with, or launch its file as a new search',
    );
  }
  await requireSameContent(spec, dataFolder(home));
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
  const directories = task && profile && runsScripts(profile.rungs.screen.settings) ? [task.directory] : [];
  const addresses = [
    ...(options.baseUrl ?? []),
    ...(read ? addressesOf(read.file.agents) : []),
    ...(options.resume ? recordedAddresses(options.home, options.resume) : []),
  ];
  requireRecording(options.replay);
  const setting = await labOptions({
    ...options,
    ...{ task: [...(options.task ?? []), ...directories], baseUrl: addresses },
  });
  const machine = await inspectMachine(setting.helpers.python);
  const devices = chooseDevices(options.workers ?? read?.file.workers ?? 'auto', machine);
  const deviceClass = devices[0]?.class ?? 'cpu';
  const content = task && profile ? await contentOf(task, profile, dataFolder(options.home)) : undefined;
  const corpus = read?.file.agents.some(usesCorpus) ? loadCorpus().version : undefined;
  const plan = (id: SearchId): Prepared | null =>
    read && task && profile && content
      ? {
          spec: planSearch(read.file, {
            ...{ id, task, profile, deviceClass, content, corpus },
            evaluator: versionFor(task.space.kind, deviceClass),
          }),
          source: read.source,
          resumed: false,
        }
      : null;
  // All that can be wrong with the file is found before anything is started or recorded.
  const planned = plan(options.name ?? searchIdSchema.parse('new'));
  if (planned) checkSize(planned.spec, planned.source);
  const asks = options.replay === undefined && !options.without.includes('agents');
  const keys = keyring(process.env, addresses);
  if (planned && asks) checkModels(planned.spec, options.dryRun ? null : keys, loadPrices(options.prices));
  if (options.dryRun) {
    if (!planned) throw new PrerequisiteError('usage', '--dry-run needs a search file', 'give one');
    process.stdout.write(dryRun(planned.spec, loadPrices(options.prices), keys));
    return exitCodes.ok;
  }

  outliveOutput();
  const display = chooseDisplay(options.json);
  requireHome(setting.home);
  const lab = await openLab(setting, options.without);
  try {
    for (const directory of directories) registerTask(options.home, directory);
    const family = agentNameSchema.parse(read?.family ?? 'search');
    // Asked in any case: an archive that answers has set up the streams.
    const { search: freeName } = await lab.bus.ask('search-name', { family });
    const fresh = plan(options.name ?? freeName);
    if (fresh && options.name && (await isFinished(lab.bus, fresh.spec))) {
      display.notice(`"${options.name}" was finished before: nothing is trained, and its results are shown again`);
    }
    const prepared = options.resume ? await resume(lab.bus, options.resume, deviceClass, options.home) : fresh;
    if (!prepared) throw new AiraError('launch', 'there is nothing to run');
    if (prepared.spec.space.kind === 'program' && !options.without.includes('workers')) {
      await checkData({ ...setting.workers, sandbox: await openSandbox(setting.workers) }, prepared.spec);
    }
    return await show(lab, prepared, devices, options, display);
  } finally {
    await lab.close();
  }
}

/** @throws PrerequisiteError where the task's directory is not here, or its data cannot be prepared here. */
async function checkData(source: WorkerOptions & { sandbox: Sandbox }, spec: SearchSpec): Promise<void> {
  const { evaluator, content, rungs } = spec;
  const found = localSettings({ settings: rungs.screen.settings, content }, source.tasks);
  if ('problem' in found) {
    const remedy = 'put back what was there, or launch the file as a new search';
    throw new PrerequisiteError('task-missing', found.problem, remedy);
  }
  const [seed = 1] = rungSeeds('screen', 1);
  await prepareTask(source, { evaluator, settings: found.settings, seed });
}

async function show(
  lab: Awaited<ReturnType<typeof openLab>>,
  { spec, source, resumed }: Prepared,
  devices: readonly Device[],
  options: LaunchOptions,
  display: Display,
): Promise<number> {
  const search = spec.id;
  const signs = await lab.viewer.watchHeartbeats((sign) => {
    if (sign.kind === 'worker') display.worker(sign.state);
    else if (sign.state.search === search) display.agent(sign.state);
  });
  const events = await lab.viewer.consumeEvents({ search, from: 'new' }, (event) => display.event(event));
  display.started(spec, resumed);
  if (!lab.separated) display.notice(unseparated(lab.url));
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
    const searchStatus = running.searchStatus();
    if (searchStatus) display.searchStatus(searchStatus);
  });
  try {
    const end = await running.ended;
    if (end.how === 'failed') {
      display.ended({ how: 'failed', searchStatus: running.searchStatus(), report: null, endings: [], summary: null });
      throw end.error;
    }
    const searchStatus = await lab.bus.ask('search-status', { search }, { attempts: 5 });
    const scores = await allTestScores((from) =>
      lab.bus.ask('search-tests', { search, purpose: 'report', from }, { attempts: 5 }),
    );
    const report = writeReport(options.home, search, scores);
    await events.stop();
    const { path, endings, summary } = report;
    const ending: Ending = { how: end.how, searchStatus, report: path, endings, summary };
    display.ended(ending);
    const code = interrupts.code();
    if (code !== null) return code;
    if (end.how === 'stopped') return exitCodes.failed;
    if (!report.hasResult) return exitCodes.noResult;
    return searchStatus.agents.some((agent) => agent.end !== null && isLost(agent.end))
      ? exitCodes.agentLost
      : exitCodes.ok;
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
    ...natsOptions(),
    option('--port <number>', 'port of the embedded NATS server; any free one without').argParser(portNumber),
    option('--resume <search>', 'continue a search where it stood').argParser(searchArgument),
    option('--name <search>', 'call the search so instead of after its file').argParser(searchArgument),
    option('--workers <number>', 'trainings at once, instead of what the file says').argParser(workerNumber),
    new Option('--without <parts...>', 'parts that other processes bring')
      .choices(components)
      .env('AIRA_WITHOUT')
      .default([]),
    option('--dry-run', 'say what the search would do and cost, and start nothing'),
    pricesOption(),
    offlineOption(),
    taskOption(),
    baseUrlOption(),
    unsafeOption(),
    option('--replay <recording>', 'answer from a recording of language models and ask none').argParser(pathArgument),
    jsonOption(),
  );
}
