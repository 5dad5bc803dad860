import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import type { SearchId } from '../domain/ids.ts';
import type { ReplyOf, TestPurpose } from '../domain/messages.ts';
import { Archive, openForReading, readArchive } from '../memory/index.ts';
import { coloursFor, makeFolder, packageRoot, systemClock } from '../platform/index.ts';
import { collectReport, reportHtml, summary } from '../report/index.ts';

const manifestSchema = z.object({ version: z.string() });
export const airaVersion = manifestSchema.parse(
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')),
).version;

/**
 * Writes the report of a search into its home. Returns its path, a summary for the terminal, and whether a candidate of
 * the search has a score on the final rung.
 */
export function writeReport(home: string, search: SearchId, tests: ReplyOf<'search-tests'>['scores']) {
  const reader = readArchive(home);
  try {
    const processors = cpus();
    const data = collectReport(reader, search, tests, {
      airaVersion,
      machine: [
        { fact: 'CPU', value: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}` },
        { fact: 'Node', value: process.version },
      ],
      commands: [`aira report ${search}`, `aira nodes ${search}`, `aira audit ${search}`],
    });
    const folder = join(home, 'reports');
    makeFolder(folder);
    const path = join(folder, `${search}.html`);
    // Renamed into place, so that a reader never sees half a page.
    writeFileSync(`${path}.part`, reportHtml(data));
    renameSync(`${path}.part`, path);
    const hasResult = data.nodes.some(
      ({ origin, validation, test }) => origin !== 'reference' && validation.final.length + test.length > 0,
    );
    return { path, hasResult, endings: data.endings, summary: `${summary(data, coloursFor(process.stdout))}\n` };
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
