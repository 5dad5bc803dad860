import { Argument, Command } from 'commander';
import { PrerequisiteError } from '../../domain/errors.ts';
import { checkModels, keyring, loadPrices } from '../../llm/index.ts';
import { findPython } from '../../platform/index.ts';
import { type Study, studySchema } from '../../studies/index.ts';
import { dataFolder } from '../../tasks/index.ts';
import { studyDisplay, studyJson } from '../display/study.ts';
import { dryRun } from '../dryRun.ts';
import { exitCodes, onInterrupt } from '../fail.ts';
import { homeOption, jsonOption, numberWithin, option, pricesOption, withOptions, workerNumber } from '../options.ts';
import { addressesOf } from '../setting.ts';
import { planStudy, type StudyPlan } from '../study/plan.ts';
import { makeRuns, shownPath, writeStudy } from '../study/run.ts';
import { readYamlFile } from '../yamlFile.ts';

interface AblateOptions {
  home: string;
  seeds?: number;
  workers?: number;
  markdown?: string;
  prices?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** What a study would do and cost: the first run of each arm on each task, and how many there are of it. */
function forecastText(study: Study, { trained, tables }: StudyPlan, prices: string | undefined): string {
  const firsts = trained.filter(({ spec }) => spec.seed === 1);
  const keys = keyring(process.env);
  const each = firsts.map(({ arm, spec }) => `${arm}, ${study.seeds} times: ${dryRun(spec, loadPrices(prices), keys)}`);
  const looked = tables.length * study.arms.length * study.seeds;
  return `${each.join('')}${looked > 0 ? `${looked} runs are answered from tables and cost nothing\n` : ''}`;
}

async function ablate(path: string, options: AblateOptions): Promise<number> {
  const { file, source, family } = readYamlFile(path, studySchema, 'study');
  const { seeds = file.seeds, workers = file.workers } = options;
  const study: Study = { ...file, seeds, workers };
  if (seeds < 2) throw new PrerequisiteError('study-seeds', 'a study needs two seeds', 'give --seeds 2 or more');
  // All that can be wrong with the file is found before anything is started.
  const plan = await planStudy(family, study, path, findPython, dataFolder(options.home));
  const asks = plan.trained.filter(({ spec }) => spec.seed === 1);
  for (const { spec } of asks)
    checkModels(
      spec,
      options.dryRun ? null : keyring(process.env, addressesOf(spec.agents)),
      loadPrices(options.prices),
    );
  if (options.dryRun) {
    process.stdout.write(forecastText(study, plan, options.prices));
    return exitCodes.ok;
  }

  const display = options.json ? studyJson((line) => process.stdout.write(line)) : studyDisplay(process.stdout);
  const ending = new AbortController();
  const interrupts = onInterrupt(() => ending.abort());
  try {
    display.started(family, study, plan.runs);
    const results = await makeRuns(study, plan, source, options, { display, signal: ending.signal });
    if (ending.signal.aborted) {
      process.stderr.write('stopped; the same command goes on where it was\n');
      return interrupts.code() ?? exitCodes.failed;
    }
    const chosen = options.seeds === undefined ? '' : ` --seeds ${options.seeds}`;
    const command = `aira ablate ${shownPath(path)}${chosen}`;
    const finished = { name: family, study, source, tasks: plan.tasks, results, command };
    const { analysis, paths } = writeStudy(options.home, finished, options.markdown);
    display.ended(analysis, paths);
    return exitCodes.ok;
  } finally {
    interrupts.dispose();
  }
}

export function ablateCommand(done: (code: number) => void): Command {
  const command = new Command('ablate')
    .description('compare arms on paired seeds at equal budget, with statistics; goes on where it was stopped')
    .addArgument(new Argument('<file>', 'a study file'))
    .action(async (path: string, options: AblateOptions) => done(await ablate(path, options)));
  return withOptions(
    command,
    homeOption(),
    option('--seeds <number>', 'so many seeds, instead of what the file says').argParser(numberWithin(0, 10_000)),
    option('--workers <number>', 'trainings at once, instead of what the file says').argParser(workerNumber),
    option('--markdown <file>', 'write the figures into the section of this document that bears the name of the study'),
    option('--dry-run', 'say what the study would do and cost, and start nothing'),
    pricesOption(),
    jsonOption(),
  );
}
