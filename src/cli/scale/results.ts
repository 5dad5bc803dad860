import { cpus } from 'node:os';
import { join } from 'node:path';
import type { SearchSpec } from '../../domain/search.ts';
import { archivePath, isThere, readArchive } from '../../memory/index.ts';
import { jsonLine } from '../../platform/index.ts';
import { writeScaleReport } from '../../report/index.ts';
import {
  lossTable,
  referenceOf,
  type ScaleObservation,
  scaleObservations,
  type ZeroShotResult,
  zeroShotResult,
  zeroShotText,
} from '../../scale/index.ts';
import { zeroShotScores } from '../../views/index.ts';
import { exitCodes } from '../fail.ts';
import { airaVersion } from '../version.ts';

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
