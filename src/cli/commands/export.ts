/**
 * `aira export`: the tables or tracker runs of a search, or a pattern or trained weights as a directory of Hugging Face. A search
 * as one file is in `copies.ts`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { type CarryRule, carryRules } from '../../aggregation/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { type SearchId, searchIdSchema } from '../../domain/ids.ts';
import { rngFor } from '../../domain/rng.ts';
import { type Family, families } from '../../domain/scale.ts';
import {
  type ExportForm,
  type ExportOrder,
  exportConfiguration,
  exportForms,
  exportModel,
  primitiveFolders,
  scoreItems,
  type TaskItems,
  tokenData,
} from '../../evaluators/index.ts';
import { type TableFormat, type Tracker, tableFormats, trackers, writeRuns, writeTables } from '../../export/index.ts';
import { type ArchiveReader, readArchive } from '../../memory/index.ts';
import { findPython, jsonLine, printable } from '../../platform/index.ts';
import { modelFor, searchProvenance } from '../../scale/index.ts';
import { compareItems, type ItemScores } from '../../statistics/index.ts';
import { dataFolder } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import {
  homeOption,
  jsonOption,
  numberWithin,
  option,
  pathArgument,
  primitivesOption,
  withOptions,
} from '../options.ts';
import { taskItems } from '../zeroShot.ts';
import { exportCrate } from './copies.ts';
import { hiddenScores } from './report.ts';

interface ExportOptions {
  readonly home: string;
  readonly as: ExportForm | 'config';
  readonly size?: string;
  readonly family: Family;
  readonly rule: CarryRule;
  readonly primitives?: readonly string[];
  readonly aggregate: '0' | '1' | '2';
  readonly weights?: string;
  readonly data?: string;
  readonly out?: string;
  readonly context: number;
  readonly seed: number;
  readonly evaluate?: readonly TaskItems[];
  readonly against?: string;
  readonly json?: boolean;
  readonly format?: TableFormat | 'ro-crate';
  readonly to?: Tracker;
  readonly withTest?: boolean;
}

const incomplete = (message: string, remedy: string) => new PrerequisiteError('export-options', message, remedy);

/** Rows of the card of trained weights: the search that their pattern comes from. */
function provenanceOf(what: string | undefined, home: string): Readonly<Record<string, string>> {
  if (what === undefined) return {};
  const search = searchIdSchema.safeParse(what);
  if (!search.success) {
    throw incomplete(
      'trained weights have a pattern of their own',
      'name the search that it comes from, or leave it out',
    );
  }
  const reader = readArchive(home);
  try {
    return searchProvenance(search.data, reader);
  } finally {
    reader.close();
  }
}

/** What to export, by the options. @throws PrerequisiteError for options that do not go together. */
async function orderOf(what: string | undefined, options: ExportOptions, python: string): Promise<ExportOrder> {
  const { home, weights, data, size, family, rule, aggregate, seed, context } = options;
  const primitives = primitiveFolders(options.primitives ?? []);
  const folder = data === undefined ? undefined : join(dataFolder(home), data);
  const tokenizer = folder === undefined ? {} : { tokenizer: join(folder, 'tokenizer.json') };
  if (folder !== undefined && !existsSync(folder)) {
    throw incomplete(
      `the data set ${data} has not been imported into ${dataFolder(home)}`,
      'list them with: aira data list',
    );
  }
  if (weights !== undefined) {
    if (!existsSync(join(weights, 'model.json'))) {
      throw incomplete(`${weights} holds no trained model`, 'name the folder with its model.json and weights.pt');
    }
    return { source: { weights }, ...tokenizer, context, primitives, provenance: provenanceOf(what, home) };
  }
  if (what === undefined)
    throw incomplete('there is nothing to export', 'name a search or a pattern, or give --weights');
  if (size === undefined) throw incomplete('a pattern has no size', 'give --size, such as 350M');
  const vocabulary = folder === undefined ? 257 : tokenData(folder).vocabulary;
  let reader: ArchiveReader | null = null;
  try {
    const { planned, provenance } = await modelFor(
      { what, aggregate: Number(aggregate) as 0 | 1 | 2, size, family, rule, vocabulary },
      {
        python,
        primitives,
        open: () => {
          reader ??= readArchive(home);
          return reader;
        },
      },
    );
    return { source: { model: planned.model, seed }, ...tokenizer, context, primitives, provenance };
  } finally {
    (reader as ArchiveReader | null)?.close();
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Zero-shot accuracies of the weights, one line per task, and their difference from other weights on the same items. */
async function evaluate(options: ExportOptions, python: string): Promise<void> {
  const { evaluate: tasks = [], weights, against, data, home, json } = options;
  if (tasks.length === 0 || weights === undefined || data === undefined) return;
  const say = (event: object, text: string) => process.stdout.write(json ? `${jsonLine(event)}\n` : `${text}\n`);
  const scored = async (of: string): Promise<ItemScores[]> => {
    const found: ItemScores[] = [];
    const primitives = primitiveFolders(options.primitives ?? []);
    await scoreItems(python, { weights: of, data: join(dataFolder(home), data), tasks, primitives }, (each) => {
      const norm = each.accNorm === null ? '' : `, acc_norm ${percent(each.accNorm)}`;
      say(
        { event: 'scored', weights: of, ...each },
        `${each.task}: acc ${percent(each.acc)}${norm} on ${each.items} items (${of})`,
      );
      found.push({ task: each.task, seed: 0, correct: each.correct });
    });
    return found;
  };
  const own = await scored(weights);
  if (against === undefined) return;
  const result = compareItems(own, await scored(against), { rng: rngFor('items'), resamples: 2000, level: 0.95 });
  const points = (value: number) => (100 * value).toFixed(1);
  const { difference, interval } = result;
  say(
    { event: 'compared', against, ...result },
    `difference in mean acc: ${points(difference)} points (95 % interval ${points(interval.low)} to ${points(interval.high)} over the items, of these two trainings)`,
  );
}

interface TableOptions {
  readonly home: string;
  readonly json?: boolean;
  readonly out?: string;
  readonly withTest?: boolean;
}

/** `aira export SEARCH --to …`: the search in the folder of an experiment tracker. */
async function exportRuns(search: SearchId, options: TableOptions & { readonly to: Tracker }): Promise<number> {
  const { home, to: tracker } = options;
  const tests = options.withTest ? await hiddenScores(home, search, 'export --with-test') : [];
  const reader = readArchive(home);
  try {
    const written = await writeRuns(reader, search, { tracker, folder: pathArgument(options.out ?? search), tests });
    const { version, runs, show } = written;
    process.stdout.write(
      options.json
        ? `${jsonLine(written)}\n`
        : `${runs} run${runs === 1 ? '' : 's'} written by ${tracker} ${printable(version)}; show them with: ${printable(show)}\n`,
    );
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

/** `aira export SEARCH --format …`: the tables of a search, one file each. */
async function exportTables(
  search: SearchId,
  options: TableOptions & { readonly format: TableFormat },
): Promise<number> {
  const { home, format } = options;
  const tests = options.withTest ? await hiddenScores(home, search, 'export --with-test') : [];
  const reader = readArchive(home);
  try {
    const folder = pathArgument(options.out ?? search);
    const written = await writeTables(reader, search, { format, folder, tests });
    for (const { name, path, rows } of written) {
      process.stdout.write(
        options.json
          ? `${jsonLine({ table: name, path, rows })}\n`
          : `${`${rows}`.padStart(7)} ${name.padEnd(11)} ${printable(path)}\n`,
      );
    }
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

async function exported(what: string | undefined, options: ExportOptions): Promise<number> {
  const { as: form, out, format, to } = options;
  if (to !== undefined) {
    if (format !== undefined) throw incomplete('--to and --format are two exports', 'give one of them');
    const search = searchIdSchema.safeParse(what);
    if (!search.success) throw incomplete('runs are of a search', 'name it, as `aira ls` does');
    return exportRuns(search.data, { ...options, to });
  }
  if (format !== undefined) {
    const search = searchIdSchema.safeParse(what);
    if (!search.success) throw incomplete('tables are of a search', 'name it, as `aira ls` does');
    if (format === 'ro-crate') return exportCrate(search.data, options);
    return exportTables(search.data, { ...options, format });
  }
  if (options.withTest) throw incomplete('--with-test adds hidden scores to tables and runs', 'give --format or --to');
  if (options.evaluate !== undefined && (options.weights === undefined || options.data === undefined)) {
    throw incomplete('--evaluate scores trained weights with the tokenizer of their data', 'give --weights and --data');
  }
  if (form !== 'config' && out === undefined) throw incomplete('an export needs a folder', 'give --out');
  if (options.against !== undefined && options.evaluate === undefined) {
    throw incomplete('--against compares accuracies', 'give --evaluate, such as piqa=rows.jsonl');
  }
  const python = await findPython();
  const order = await orderOf(what, options, python);
  if (form === 'config' || out === undefined) {
    process.stdout.write(`${JSON.stringify(await exportConfiguration(python, order), null, options.json ? 0 : 2)}\n`);
  } else {
    const found = await exportModel(python, order, form, out);
    process.stdout.write(
      options.json
        ? `${jsonLine({ event: 'exported', out, ...found })}\n`
        : `${out}: ${found.format}, ${found.parameters.toLocaleString('en-US')} parameters; transformers loads it, logits differ by ${found.difference.toExponential(1)} on a scale of ${found.scale.toFixed(1)}\n`,
    );
  }
  await evaluate(options, python);
  return exitCodes.ok;
}

export function exportCommand(done: (code: number) => void): Command {
  const command = new Command('export')
    .description(
      'write a search as tables (--format) or for an experiment tracker (--to), or a pattern or trained weights as a Hugging Face directory, checked on logits',
    )
    .addArgument(
      new Argument(
        '[pattern]',
        'layers such as mA+M+2Mb, or a finished search; with --weights the search they come from',
      ),
    )
    .action(async (what: string | undefined, options: ExportOptions) => done(await exported(what, options)));
  return withOptions(
    command,
    homeOption(),
    option('--as <form>', 'format of the directory; config prints JSON for other trainers')
      .choices([...exportForms, 'config'])
      .default('auto'),
    option(
      '--out <dir>',
      'the directory: of a model, which must not exist; of tables or runs (default: the name of the search); the file of a ro-crate',
    ).argParser(pathArgument),
    option('--size <name>', 'size of a pattern, such as 350M'),
    option('--family <name>', 'how layers are built').choices(families).default('llama'),
    option('--rule <name>', 'how a pattern is carried to the size').choices(carryRules).default('stretch'),
    option('--aggregate <n>', 'earlier layers that condition the vote of a search')
      .choices(['0', '1', '2'])
      .default('0'),
    primitivesOption(),
    option('--weights <dir>', 'trained weights instead of start values: models/<budget> of a run').argParser(
      pathArgument,
    ),
    option('--data <name>', 'data set whose tokenizer to use (default: plain bytes)'),
    option('--context <tokens>', 'longest sequence that the configuration states')
      .default(2048)
      .argParser(numberWithin(1, 1_000_000_000)),
    option('--seed <number>', 'of the start values').default(1).argParser(numberWithin(0, Number.MAX_SAFE_INTEGER)),
    option('--evaluate <task=file>', 'zero-shot accuracy of the weights on rows of a task; repeatable').argParser(
      taskItems,
    ),
    option('--against <dir>', 'other trained weights to compare with on the same rows').argParser(pathArgument),
    option(
      '--format <format>',
      'write the tables of the search, for pandas, polars and other programs; ro-crate: one file with all that others need to check a finished search',
    ).choices([...tableFormats, 'ro-crate']),
    option('--to <tracker>', 'write the search for an experiment tracker, by its own library; nothing is sent').choices(
      trackers,
    ),
    option('--with-test', 'tables and runs: add hidden test scores of a finished search; the access is recorded'),
    jsonOption(),
  );
}
