import { join } from 'node:path';
import { expect } from 'vitest';
import { temporaryFolder } from './home.ts';
import { contentsOf } from './ledger.ts';
import { aira } from './program.ts';

/** Launches a toy search again from its recording, in a home of its own, which is returned: the contents are equal. */
export async function launchAgain(file: string, home: string): Promise<string> {
  const again = join(temporaryFolder(), 'again');
  const recording = join(home, 'calls', 'toy-1.jsonl');
  const replay = await aira(['launch', file, '--home', again, '--replay', recording, '--json']);
  expect(replay.code, replay.stderr).toBe(0);
  expect(contentsOf(again, 'toy-1')).toEqual(contentsOf(home, 'toy-1'));
  return again;
}
