import { Argument, Command } from 'commander';
import { scaffoldFolders } from '../../agents/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { checkModels, keyring, loadPrices } from '../../llm/index.ts';
import { findPython } from '../../platform/index.ts';
import { fewestSeeds, type Study, studySchema } from '../../studies/index.ts';
import { dataFolder } from '../../tasks/index.ts';
import { dryRun, measuredSeconds, studyTotal } from '../dryRun.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import {
  homeOption,
  jsonOption,
  numberWithin,
  option,
  pricesOption,
  primitivesOption,
  scaffoldsOption,
  withOptions,
  workerNumber,
} from '../options.ts';
import { addressesOf } from '../setting.ts';
import {
  makeRuns,
  planStudy,
  type StudyPlan,
  shownPath,
  studyDisplay,
  studyJsonDisplay,
  writeStudy,
} from '../study.ts';
import { namedFile, readYamlFile } from '../yamlFile.ts';
import { ensureSetUp } from './setup.ts';

interface AblateOptions {
  home: string;
  seeds?: number;
  workers?: number;
  markdown?: string;
  prices?: string;
  primitives?: readonly string[];
  scaffolds?: readonly string[];
  dryRun?: boolean;
  json?: boolean;
}

/** What a study would run and cost: the first run of each arm on each task, times the number of seeds, and the sum. */
function forecastText(study: Study, { trained, tables, devices }: StudyPlan, options: AblateOptions): string {
  const firsts = trained.filter(({ spec }) => spec.seed === 1);
  const keys = keyring(process.env);
  const prices = loadPrices(options.prices);
  const each = firsts.map(({ arm, spec }) => `${arm}, ${study.seeds} times: ${dryRun(spec, prices, keys, null)}`);
  if (firsts.length > 0) {
    const measured = (spec: SearchSpec) => measuredSeconds(options.home, spec);
    const specs = firsts.map(({ spec }) => spec);
    each.push(studyTotal(specs, study.seeds, prices, { devices: devices.length, measured }));
  }
  const tableRuns = tables.length * study.arms.length * study.seeds;
  return `${each.join('')}${tableRuns > 0 ? `${tableRuns} runs are table lookups and cost nothing\n` : ''}`;
}

async function ablate(given: string, options: AblateOptions): Promise<number> {
  const path = namedFile(given, 'study');
  const { file, source, family } = readYamlFile(path, studySchema, 'study');
  const { seeds = file.seeds, workers = file.workers } = options;
  const study: Study = { ...file, seeds, workers };
  const fewest = fewestSeeds(file.tasks);
  if (seeds < fewest) {
    const remedy = `give --seeds ${fewest} or more`;
    throw new PrerequisiteError('study-seeds', `this study needs at least ${fewest} seeds`, remedy);
  }
  if (!options.dryRun) await ensureSetUp();
  // Find every mistake in the file before anything starts.
  const plan = await planStudy(family, study, path, findPython, {
    data: dataFolder(options.home),
    given: options.primitives ?? [],
    scaffolds: scaffoldFolders(options.scaffolds ?? [], path, options.home),
  });
  const firstRuns = plan.trained.filter(({ spec }) => spec.seed === 1);
  for (const { spec } of firstRuns)
    checkModels(
      spec,
      options.dryRun ? null : keyring(process.env, addressesOf(spec.agents)),
      loadPrices(options.prices),
    );
  if (options.dryRun) {
    process.stdout.write(forecastText(study, plan, options));
    return exitCodes.ok;
  }

  const display = options.json ? studyJsonDisplay((line) => process.stdout.write(line)) : studyDisplay(process.stdout);
  const stop = new AbortController();
  const interrupts = onInterrupt(() => stop.abort());
  try {
    display.started(family, study, plan.runs);
    const results = await makeRuns(study, plan, source, options, { display, signal: stop.signal });
    if (stop.signal.aborted) {
      process.stderr.write('stopped; run the same command again to resume\n');
      return interrupts.code() ?? exitCodes.failed;
    }
    const seedsFlag = options.seeds === undefined ? '' : ` --seeds ${options.seeds}`;
    const command = `aira ablate ${shownPath(path)}${seedsFlag}`;
    const finished = { name: family, study, source, tasks: plan.tasks, results, command };
    const { analysis, paths } = await writeStudy(options.home, finished, options.markdown);
    display.ended(analysis, paths);
    return exitCodes.ok;
  } finally {
    interrupts.dispose();
  }
}

export function ablateCommand(done: (code: number) => void): Command {
  const command = new Command('ablate')
    .description('compare arms on paired seeds at equal budget; resumes if interrupted')
    .addArgument(new Argument('<file>', 'a study file'))
    .action(async (path: string, options: AblateOptions) => done(await ablate(path, options)));
  return withOptions(
    command,
    homeOption(),
    option('--seeds <number>', 'number of seeds (overrides the file)').argParser(numberWithin(0, 10_000)),
    option('--workers <number>', 'parallel trainings (overrides the file)').argParser(workerNumber),
    option('--markdown <file>', 'write the results into the section of this document named after the study'),
    option('--dry-run', 'print the plan and its cost without starting anything'),
    pricesOption(),
    primitivesOption(),
    scaffoldsOption(),
    jsonOption(),
  );
}
