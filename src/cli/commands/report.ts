/**
 * `aira report`: the page of a search or a scale plan, written into the home, and its summary.
 *
 * Role: which hidden scores a page may show, and where it is written; other commands that end a search or a plan write theirs here.
 * Non-role: what a page says (`views`, `report`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import type { ClaimsNow } from '../../audit/index.ts';
import type { SearchId } from '../../domain/ids.ts';
import type { ReplyOf, TestPurpose } from '../../domain/messages.ts';
import type { SearchSpec } from '../../domain/search.ts';
import {
  Archive,
  type ArchiveReader,
  archivePath,
  isThere,
  openForReading,
  readArchive,
  type TestScore,
} from '../../memory/index.ts';
import { coloursFor, jsonLine, systemClock } from '../../platform/index.ts';
import { reportHtml, resultOf, summary, writeScaleReport, writeWhole } from '../../report/index.ts';
import {
  lossTable,
  referenceOf,
  type ScaleObservation,
  scaleObservations,
  type ZeroShotResult,
  zeroShotResult,
  zeroShotText,
} from '../../scale/index.ts';
import { claimRecord, collectReport, readClaims, zeroShotScores } from '../../views/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, searchArgument, withOptions } from '../options.ts';
import { airaVersion } from './setup.ts';

async function report(search: SearchId, { home, json }: { home: string; json?: boolean }): Promise<number> {
  const reader = readArchive(home);
  const spec = reader.searches.spec(search);
  const source = reader.searches.source(search);
  const isOpen = reader.searches.isOpen(search);
  reader.close();
  if (spec.scale) return showScaleResults(home, spec, source, json === true);
  // The report on a running search has no test scores (I4).
  const tests = isOpen ? [] : await hiddenScores(home, search, 'report');
  const page = await writeReport(home, search, tests);
  process.stdout.write(json ? `${jsonLine(page.machineReadable)}\n` : `${page.summary}report: ${page.path}\n`);
  return exitCodes.ok;
}

export function reportCommand(done: (code: number) => void): Command {
  const command = new Command('report')
    .description('write the report of a search or a scale plan')
    .addArgument(new Argument('<search>', 'the search, or the search of a plan').argParser(searchArgument))
    .action(async (search: SearchId, options: { home: string; json?: boolean }) => done(await report(search, options)));
  return withOptions(command, homeOption(), jsonOption());
}

const pagePath = (home: string, search: SearchId): string => join(home, 'reports', `${search}.html`);

/** What the written report of a search claims, and what its archive gives (I11); null without a report. */
export function claimsNow(
  reader: ArchiveReader,
  home: string,
  search: SearchId,
  tests: readonly TestScore[],
): ClaimsNow | null {
  const path = pagePath(home, search);
  if (!existsSync(path)) return null;
  const data = collectReport(reader, search, tests, { airaVersion, machine: [], commands: [] });
  return { written: readClaims(readFileSync(path, 'utf8')), derived: claimRecord(data) };
}

/** What a report of a search written here shows. */
export function reportOf(reader: ArchiveReader, search: SearchId, tests: readonly TestScore[]) {
  const processors = cpus();
  return collectReport(reader, search, tests, {
    airaVersion,
    machine: [
      { fact: 'CPU', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
      { fact: 'Node', value: process.version },
    ],
    commands: [`aira report ${search}`, `aira nodes ${search}`, `aira audit ${search}`],
  });
}

/**
 * Writes the report of a search into its home. Returns its path, a summary for the terminal, its claims and
 * extrapolations for machines, its result for scripts, and whether a candidate of the search has a score on the final rung.
 */
export async function writeReport(home: string, search: SearchId, tests: ReplyOf<'search-tests'>['scores']) {
  const reader = readArchive(home);
  try {
    const data = reportOf(reader, search, tests);
    const path = writeWhole(pagePath(home, search), await reportHtml(data));
    const machineReadable = { ...claimRecord(data), extrapolations: data.extrapolations, report: path };
    const hasResult = data.nodes.some(
      ({ origin, validation, test }) => origin !== 'reference' && validation.final.length + test.length > 0,
    );
    return {
      path,
      hasResult,
      machineReadable,
      endings: data.endings,
      summary: `${summary(data, coloursFor(process.stdout))}\n`,
      result: resultOf(data),
    };
  } finally {
    reader.close();
  }
}

type Piece = ReplyOf<'search-tests'>;

/** All pages of a reply. */
export async function allTestScores(ask: (from: number) => Promise<Piece>): Promise<Piece['scores']> {
  const scores: Piece['scores'] = [];
  for (;;) {
    const piece = await ask(scores.length);
    scores.push(...piece.scores);
    if (!piece.more) return scores;
  }
}

/**
 * Test scores of a finished search. The access is recorded, which opens the archive for writing (I4).
 *
 * @throws PrerequisiteError if another process writes to the lab, or there is none; TerminalError while the search runs.
 */
export async function hiddenScores(home: string, search: SearchId, purpose: TestPurpose) {
  openForReading(home).close();
  const archive = Archive.open(home, systemClock);
  try {
    return await allTestScores(async (from) => archive.handlers['search-tests']({ search, purpose, from }));
  } finally {
    archive.close();
  }
}

/** Writes the page of a plan, with the losses so far. */
async function writePage(
  home: string,
  spec: SearchSpec,
  source: string,
  observations: readonly ScaleObservation[],
  zeroShot: ZeroShotResult | null,
): Promise<string> {
  const processors = cpus();
  const { path } = await writeScaleReport({
    folder: join(home, 'reports', spec.id),
    name: spec.id,
    observations,
    reference: referenceOf(observations),
    zeroShot,
    plan: source,
    facts: [
      { fact: 'Aira', value: airaVersion },
      { fact: 'trainer', value: spec.evaluator },
      { fact: 'devices', value: spec.deviceClass },
      { fact: 'machine of this page', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
    ],
    commands: [`aira audit ${spec.id} --retrain 1`, `aira export ${spec.id} --format csv`],
  });
  return path;
}

/** Prints what a plan has measured, from the archive alone, and writes its page. Returns the exit status. */
export async function showScaleResults(home: string, spec: SearchSpec, source: string, json: boolean): Promise<number> {
  if (!isThere(archivePath(home), home)) {
    process.stderr.write(
      `the losses of ${spec.id} are in the archive of the other machine; give the same command there\n`,
    );
    return exitCodes.ok;
  }
  const reader = readArchive(home);
  try {
    const observations = scaleObservations(reader, spec.id);
    const zeroShot = zeroShotResult(observations, zeroShotScores(home, spec.id), referenceOf(observations));
    const page = observations.length > 0 ? await writePage(home, spec, source, observations, zeroShot) : null;
    if (json) {
      for (const each of observations) process.stdout.write(`${jsonLine({ event: 'observation', ...each })}\n`);
      if (zeroShot) process.stdout.write(`${jsonLine({ event: 'zero-shot', ...zeroShot })}\n`);
      if (page) process.stdout.write(`${jsonLine({ event: 'report', path: page })}\n`);
    } else {
      process.stdout.write(`\nvalidation loss in nats per token, by FLOPs of the budget\n${lossTable(observations)}`);
      if (zeroShot) process.stdout.write(`\n${zeroShotText(zeroShot)}\n`);
      if (page) process.stdout.write(`does it hold? ${page}\n`);
      process.stdout.write(`check it with: aira audit ${spec.id}\n`);
    }
    return observations.length > 0 ? exitCodes.ok : exitCodes.noResult;
  } finally {
    reader.close();
  }
}
