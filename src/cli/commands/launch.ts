import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { type ComponentName, components, openLab, type WorkerOptions, watchEvents } from '../../actors/index.ts';
import { OwnScaffolds, requireSameSearcher, scaffoldFolders, searcherFiles } from '../../agents/index.ts';
import type { Bus } from '../../bus/index.ts';
import { usesCorpus } from '../../domain/agent.ts';
import { ownTokens } from '../../domain/architecture.ts';
import { isLost } from '../../domain/ending.ts';
import { AiraError, PrerequisiteError } from '../../domain/errors.ts';
import { rungSeeds } from '../../domain/evaluation.ts';
import { agentNameSchema, type SearchId, searchIdSchema } from '../../domain/ids.ts';
import { canonicalJson, type Json } from '../../domain/json.ts';
import type { ReplyOf } from '../../domain/messages.ts';
import { isOutside } from '../../domain/model.ts';
import { checkSize, planSearch, spaceOf } from '../../domain/plan.ts';
import { bringsScripts } from '../../domain/rehearsal.ts';
import type { SearchSpec } from '../../domain/search.ts';
import type { DeviceClass } from '../../domain/task.ts';
import {
  engineFor,
  localSettings,
  manifestOf,
  prepareTask,
  primitiveFolders,
  runsScripts,
  versionFor,
} from '../../evaluators/index.ts';
import { loadCorpus } from '../../literature/index.ts';
import { checkModels, keyring, loadPrices } from '../../llm/index.ts';
import {
  chooseDevices,
  type Device,
  inspectMachine,
  listedGpus,
  systemClock,
  systemTimers,
  whyNot,
} from '../../platform/index.ts';
import { openSandbox, probeSandbox, type Sandbox } from '../../sandbox/index.ts';
import { contentOf, dataFolder, loadTask, profileOf, registerTask, requireSameContent } from '../../tasks/index.ts';
import { type Display, type Ending, jsonDisplay, plainDisplay } from '../display.ts';
import { dryRun, measuredSeconds } from '../dryRun.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import { liveDisplay } from '../liveDisplay.ts';
import { Notices, nameOf, sender, targetOf } from '../notify.ts';
import {
  baseUrlOption,
  homeOption,
  jsonOption,
  notifyOption,
  offlineOption,
  option,
  pathArgument,
  portNumber,
  pricesOption,
  primitivesOption,
  programOption,
  requireHome,
  scaffoldsOption,
  searchArgument,
  taskOption,
  unsafeOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import {
  addressesOf,
  labOptions,
  natsOptions,
  programsOf,
  recordedAgents,
  type SystemOptions,
  unseparated,
} from '../setting.ts';
import { namedFile, readSearchFile, taskNear } from '../yamlFile.ts';
import { openDashboard } from './dashboard.ts';
import { allTestScores, writeReport } from './report.ts';
import { ensureSetUp } from './setup.ts';

interface LaunchOptions extends SystemOptions {
  resume?: SearchId;
  name?: SearchId;
  workers?: number;
  without: readonly ComponentName[];
  dashboard?: boolean;
  dryRun?: boolean;
  notify?: readonly string[];
  json?: boolean;
}

/** A search about to run: new, or already in the archive. */
interface Prepared {
  readonly spec: SearchSpec;
  readonly source: string;
  readonly resumed: boolean;
}

function chooseDisplay(json: boolean | undefined): Display {
  if (json) return jsonDisplay((line) => process.stdout.write(line));
  if (process.stdout.isTTY && !process.env.CI) return liveDisplay(process.stdout, systemTimers, systemClock);
  return plainDisplay((line) => process.stdout.write(line), systemClock);
}

/** @throws PrerequisiteError if trainers, primitives, scaffolds, data or corpus differ from those that the search started with. */
async function resume(
  bus: Bus,
  search: SearchId,
  deviceClass: DeviceClass,
  home: string,
  {
    python,
    primitives,
    scaffolds,
  }: { readonly python: string; readonly primitives: readonly string[]; readonly scaffolds: OwnScaffolds },
): Promise<Prepared> {
  const { spec, source } = await bus.ask('search-spec', { search });
  if (spec.scale) {
    const message = `"${search}" is a scale plan, not a search`;
    throw new PrerequisiteError('scale-plan', message, 'resume it with the command that started it: aira scale');
  }
  const own = await manifestOf(spec.space, python, primitives);
  const evaluator = versionFor(spec.space.kind, deviceClass, own);
  if (spec.evaluator !== evaluator) {
    throw new PrerequisiteError(
      'evaluator-changed',
      `"${search}" started with evaluator ${spec.evaluator}, but this machine has ${evaluator}: their scores are not comparable`,
      'check out the version it started with, or launch its file as a new search',
    );
  }
  await requireSameContent(spec, dataFolder(home));
  for (const agent of spec.agents) {
    requireSameSearcher(agent);
    if (agent.scaffold.kind === 'own') await scaffolds.open(agent.scaffold);
  }
  const corpus = spec.corpus === undefined ? undefined : loadCorpus().version;
  if (corpus !== spec.corpus) {
    throw new PrerequisiteError(
      'corpus-changed',
      `the agents of "${search}" started with corpus ${spec.corpus}, but this version has ${corpus}`,
      'check out the version it started with, or launch its file as a new search',
    );
  }
  return { spec, source, resumed: true };
}

/** Checks that a recording can be read, also for a dry run. @throws PrerequisiteError `recording` */
function requireRecording(path: string | undefined): void {
  if (path === undefined) return;
  try {
    if (!statSync(path).isFile())
      throw new PrerequisiteError('recording', `${path} is not a file`, 'give the path of a recording');
    accessSync(path, constants.R_OK);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    const remedy = 'give the path of a recording, such as .aira/calls/<search>.jsonl';
    throw new PrerequisiteError('recording', `the recording ${path} ${whyNot(thrown)}`, remedy);
  }
}

/**
 * Whether this search is in the archive and has finished.
 *
 * @throws PrerequisiteError `search-differs` if the name belongs to another search.
 */
async function isFinished(bus: Bus, spec: SearchSpec): Promise<boolean> {
  let recorded: ReplyOf<'search-spec'>;
  try {
    recorded = await bus.ask('search-spec', { search: spec.id });
  } catch (thrown) {
    if (thrown instanceof AiraError && thrown.code === 'unknown-search') return false;
    throw thrown;
  }
  const text = (each: SearchSpec) => canonicalJson(each as unknown as Json);
  if (text(recorded.spec) !== text(spec)) {
    throw new PrerequisiteError(
      'search-differs',
      `"${spec.id}" names another search in this lab`,
      `choose another --name, or resume that search with: aira launch --resume ${spec.id}`,
    );
  }
  return recorded.phase === 'finished';
}

async function launch(given: string | undefined, options: LaunchOptions): Promise<number> {
  if ((given === undefined) === (options.resume === undefined)) {
    const message = 'launch needs either a search file or --resume <search>';
    throw new PrerequisiteError('usage', message, 'give exactly one');
  }
  const path = given === undefined ? undefined : namedFile(given, 'search');
  const read = path === undefined ? null : readSearchFile(path);
  const task = read && loadTask(taskNear(read.file.task, path ?? ''));
  const profile = read && task && profileOf(task, read.file.profile);
  const directories = task && profile && runsScripts(profile.rungs.screen.settings) ? [task.directory] : [];
  const recorded = options.resume ? recordedAgents(options.home, options.resume) : [];
  const addresses = [
    ...(options.baseUrl ?? []),
    ...(read ? addressesOf(read.file.agents) : []),
    ...addressesOf(recorded),
  ];
  const programs = searcherFiles(read?.file.agents.map(({ model }) => model) ?? [], dirname(resolve(path ?? '')));
  const scaffolds = scaffoldFolders(options.scaffolds ?? [], path, options.home);
  const ownScaffolds = new OwnScaffolds(scaffolds);
  const plannedScaffolds = await ownScaffolds.plan(read?.file.agents.map(({ scaffold }) => scaffold) ?? []);
  requireRecording(options.replay);
  const targets = (options.notify ?? []).map((text) => targetOf(text, process.env));
  if (!options.dryRun) await ensureSetUp();
  const folders = primitiveFolders(options.primitives ?? [], path);
  const space = read && task && spaceOf(read.file, task);
  const usesOwn = space === null || (space.kind === 'stack' && ownTokens(space).length > 0);
  const setting = await labOptions({
    ...options,
    // A search of built-in primitives alone does not look at folders of others.
    primitives: usesOwn ? folders : [],
    scaffolds,
    task: [...(options.task ?? []), ...directories],
    baseUrl: addresses,
    program: [...(options.program ?? []), ...[...programs.values()].map((file) => file.path), ...programsOf(recorded)],
  });
  const machine = await inspectMachine(setting.helpers.python);
  const devices = chooseDevices(options.workers ?? read?.file.workers ?? 'auto', machine);
  const deviceClass = devices[0]?.class ?? 'cpu';
  const missing: string[] = [];
  const content =
    task && profile
      ? await contentOf(task, profile, dataFolder(options.home)).catch((thrown: unknown) => {
          // A plan lists what is missing; a search cannot start without it.
          if (!options.dryRun || !(thrown instanceof PrerequisiteError) || thrown.code !== 'data-missing') throw thrown;
          missing.push(`${thrown.message}; ${thrown.remedy}`);
          return undefined;
        })
      : undefined;
  const corpus = read?.file.agents.some(usesCorpus) ? loadCorpus().version : undefined;
  const primitives = space ? await manifestOf(space, setting.helpers.python, folders) : [];
  const plan = (id: SearchId): Prepared | null =>
    read && task && profile && (content || options.dryRun)
      ? {
          spec: planSearch(read.file, {
            id,
            task,
            profile,
            deviceClass,
            ...(content ? { content } : {}),
            corpus,
            primitives,
            programs,
            scaffolds: plannedScaffolds,
            evaluator: versionFor(task.space.kind, deviceClass, primitives),
          }),
          source: read.source,
          resumed: false,
        }
      : null;
  // Find every mistake in the file before anything starts or is recorded.
  const planned = plan(options.name ?? searchIdSchema.parse('new'));
  if (planned) checkSize(planned.spec, planned.source);
  const usesModels = options.replay === undefined && !options.without.includes('agents');
  const keys = keyring(process.env, addresses);
  if (planned && usesModels) checkModels(planned.spec, options.dryRun ? null : keys, loadPrices(options.prices));
  if (options.dryRun) {
    if (!planned) throw new PrerequisiteError('usage', '--dry-run needs a search file', 'give a search file');
    const facts = { devices, measured: measuredSeconds(options.home, planned.spec), missing };
    process.stdout.write(dryRun(planned.spec, loadPrices(options.prices), keys, facts));
    return exitCodes.ok;
  }

  outliveOutput();
  const display = chooseDisplay(options.json);
  const notices = new Notices({
    targets: targets.map((target) => ({
      name: nameOf(target),
      send: sender(target, { env: process.env, timers: systemTimers }),
    })),
    clock: systemClock,
    timers: systemTimers,
    warn: (sentence) => display.notice(sentence),
  });
  requireHome(setting.home);
  const lab = await openLab(setting, options.without);
  try {
    for (const directory of directories) registerTask(options.home, directory);
    const family = agentNameSchema.parse(read?.family ?? 'search');
    // Ask even if --name is given: once the archive has answered, the streams exist.
    const { search: freeName } = await lab.bus.ask('search-name', { family });
    const fresh = plan(options.name ?? freeName);
    if (fresh && options.name && (await isFinished(lab.bus, fresh.spec))) {
      display.notice(`"${options.name}" has already finished: nothing is trained, showing its results`);
    }
    const prepared = options.resume
      ? await resume(lab.bus, options.resume, deviceClass, options.home, {
          python: setting.helpers.python,
          primitives: folders,
          scaffolds: ownScaffolds,
        })
      : fresh;
    if (!prepared) throw new AiraError('launch', 'there is nothing to run');
    if (prepared.spec.agents.some(({ scaffold }) => scaffold.kind === 'own')) ownScaffolds.register(options.home);
    if (prepared.spec.space.kind === 'program' && !options.without.includes('workers')) {
      await checkData({ ...setting.workers, sandbox: await openSandbox(setting.workers) }, prepared.spec);
    }
    // A replay runs none of them again.
    if (usesModels && runsAgentScripts(prepared.spec)) await probeSandbox(setting.workers);
    return await show(lab, prepared, devices, options, display, notices);
  } finally {
    await lab.close();
  }
}

/** Whether agents of a search for stacks may bring scripts, which need a sandbox where the agents run. */
const runsAgentScripts = ({ agents, space }: SearchSpec): boolean =>
  space.kind === 'stack' && agents.some(({ operators }) => operators !== undefined && bringsScripts(operators, space));

/** @throws PrerequisiteError if the task's directory is missing on this machine or its data cannot be prepared. */
async function checkData(source: WorkerOptions & { sandbox: Sandbox }, spec: SearchSpec): Promise<void> {
  const { evaluator, content, rungs } = spec;
  const settings = localSettings({ settings: rungs.screen.settings, content }, source.tasks);
  if ('problem' in settings) {
    const remedy = 'restore the directory, or launch the file as a new search';
    throw new PrerequisiteError('task-missing', settings.problem, remedy);
  }
  const [seed = 1] = rungSeeds('screen', 1);
  await prepareTask(source, { evaluator, settings: settings.settings, seed });
}

async function show(
  lab: Awaited<ReturnType<typeof openLab>>,
  { spec, source, resumed }: Prepared,
  devices: readonly Device[],
  options: LaunchOptions,
  display: Display,
  notices: Notices,
): Promise<number> {
  const search = spec.id;
  const heartbeats = await lab.viewer.watchHeartbeats((heartbeat) => {
    if (heartbeat.kind === 'worker') display.worker(heartbeat.state);
    else if (heartbeat.state.search === search) display.agent(heartbeat.state);
  });
  const events = await watchEvents(lab.viewer, search, (event) => display.event(event), systemTimers);
  display.started(spec, resumed);
  notices.started(spec, resumed);
  if (!lab.separated) display.notice(unseparated(lab.url));
  for (const { name, model } of spec.agents) {
    if (isOutside(model))
      display.notice(
        `${name} proposes from outside; its client starts: aira mcp ${search} ${name} --home ${options.home}`,
      );
  }
  const { reason } = engineFor(spec.deviceClass);
  if (reason && spec.space.kind === 'stack') display.notice(`CPU workers train with torch, which is slower: ${reason}`);
  if (spec.deviceClass === 'cpu' && !options.without.includes('workers') && (await listedGpus()).length > 0) {
    display.notice('trainings use the CPU although there is an NVIDIA GPU: `aira doctor` says why');
  }
  if (spec.space.kind === 'program' && options.unsafe) {
    display.notice('programs run without a sandbox, with your permissions; their scores are marked as unsafe');
  }
  if (options.unsafe && runsAgentScripts(spec)) {
    display.notice('scripts of agents run without a sandbox, with your permissions');
  }
  const dashboard = options.dashboard
    ? await openDashboard([options.home], { host: '127.0.0.1', port: 0 }, options)
    : null;
  if (dashboard) display.dashboard(dashboard.url);
  const running = lab.runSearch(spec, source, { devices, without: options.without });
  const interrupts = onInterrupt(() => {
    display.notice('stopping after the running trainings; interrupt again to stop at once');
    running.drain();
  });
  const stopPolling = systemTimers.every(500, () => {
    const searchStatus = running.searchStatus();
    if (!searchStatus) return;
    display.searchStatus(searchStatus);
    notices.searchStatus(searchStatus);
  });
  try {
    const end = await running.ended;
    if (end.how === 'failed') {
      const nothing = { report: null, endings: [], summary: null, result: null };
      const failed: Ending = { how: 'failed', searchStatus: running.searchStatus(), ...nothing };
      display.ended(failed);
      await notices.ended(failed);
      throw end.error;
    }
    const searchStatus = await lab.bus.ask('search-status', { search }, { attempts: 5 });
    const scores = await allTestScores((from) =>
      lab.bus.ask('search-tests', { search, purpose: 'report', from }, { attempts: 5 }),
    );
    const report = await writeReport(options.home, search, scores);
    await events.stop();
    const { path, endings, summary, result } = report;
    const ending: Ending = { how: end.how, searchStatus, report: path, endings, summary, result };
    await notices.ended(ending);
    display.ended(ending);
    const code = interrupts.code();
    if (code !== null) return code;
    if (end.how === 'stopped') return exitCodes.failed;
    if (!report.hasResult) return exitCodes.noResult;
    return searchStatus.agents.some((agent) => agent.end !== null && isLost(agent.end))
      ? exitCodes.agentLost
      : exitCodes.ok;
  } finally {
    stopPolling();
    interrupts.dispose();
    await dashboard?.close();
    await heartbeats.stop();
  }
}

export function launchCommand(done: (code: number) => void): Command {
  const command = new Command('launch')
    .description('run an ensemble search')
    .addArgument(new Argument('[file]', 'a search file, or the name of a shipped one such as quickstart'))
    .action(async (path: string | undefined, options: LaunchOptions) => done(await launch(path, options)));
  return withOptions(
    command,
    homeOption(),
    ...natsOptions(),
    option('--port <number>', 'port of the embedded NATS server (default: any free port)').argParser(portNumber),
    option('--resume <search>', 'resume a search').argParser(searchArgument),
    option('--name <search>', 'name of the search (default: file name)').argParser(searchArgument),
    option('--workers <number>', 'parallel trainings (overrides the file)').argParser(workerNumber),
    new Option('--without <parts...>', 'components that run in other processes')
      .choices(components)
      .env('AIRA_WITHOUT')
      .default([]),
    option('--dashboard', 'show the search in a browser: print the address of its page'),
    option('--dry-run', 'print the plan and its cost without starting anything'),
    pricesOption(),
    offlineOption(),
    taskOption(),
    primitivesOption(),
    scaffoldsOption(),
    programOption(),
    baseUrlOption(),
    unsafeOption(),
    option('--replay <recording>', 'answer from recorded model replies, without any model calls').argParser(
      pathArgument,
    ),
    notifyOption(),
    jsonOption(),
  );
}
