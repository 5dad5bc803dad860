/**
 * Kills at random moments, each resumed: AIRA_KILLS in all (50 unless it says otherwise), half of them on the quickstart and
 * half on a search of programs. The quickstart is the shipped file with more minutes, so that the speed of the machine does
 * not decide; the search of programs is searches/design-listops.yaml on a copy of its task with fewer rows and steps.
 * AIRA_KILLS_SEED gives other moments.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { calmRun, killedRun, type Subject, smallListops, withTime } from '../chaos/killedRuns.ts';

const kills = Number(process.env.AIRA_KILLS ?? 50);
const firstSeed = Number(process.env.AIRA_KILLS_SEED ?? 1);
/** More kills of one run than this leave it no time between them to get anywhere. */
const mostPerRun = 9;

const folder = mkdtempSync(join(tmpdir(), 'aira-resume-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function campaign(subject: Subject, wanted: number): Promise<void> {
  const calm = await calmRun(subject, join(folder, `${subject.search}-calm`));
  let done = 0;
  for (let run = 0; done < wanted; run++) {
    expect(run, 'the search ends before it can be killed').toBeLessThan(wanted + 3);
    const home = join(folder, `${subject.search}-${run}`);
    done += await killedRun(subject, home, calm, Math.min(mostPerRun, wanted - done), firstSeed + run);
    console.log(`${subject.search}: ${done} of ${wanted} kills, each run equal to the undisturbed one`);
    rmSync(home, { recursive: true, force: true });
  }
}

it(`the quickstart, killed ${Math.ceil(kills / 2)} times`, async () => {
  const file = withTime('searches/quickstart.yaml', folder);
  await campaign({ file, search: 'quickstart', workers: 2 }, Math.ceil(kills / 2));
});

it(`a search of programs, killed ${Math.floor(kills / 2)} times`, async () => {
  const task = smallListops(folder);
  const file = withTime('searches/design-listops.yaml', folder, { task });
  await campaign({ file, search: 'listops', workers: 2 }, Math.floor(kills / 2));
});
