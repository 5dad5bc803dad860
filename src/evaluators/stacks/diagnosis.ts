import type { OutputLog } from '../../platform/childProcess.ts';
import type { Verdict } from '../population.ts';
import type { ProcessEnd } from './workerProcess.ts';

const lastLines = 8;
const lastCharacters = 1500;

/** `text`, and what the child said last where it said anything. */
export function withLastWords(text: string, stderr: OutputLog): string {
  const words = stderr.lastLines(lastLines, lastCharacters);
  return words === '' ? text : `${text}; its last words: ${words}`;
}

/** How an unexpected end reads: `exited with code 3`. */
export function describeEnd({ code, signal, error }: ProcessEnd): string {
  if (error) return `could not be started: ${error.message}`;
  if (signal) return `was killed by ${signal}`;
  return code === null ? 'could not be ended' : `exited with code ${code}`;
}

/**
 * Why a child died that nobody here has killed.
 *
 * @param outOfMemoryKills by how much the kernel's count of such kills has grown meanwhile; null where it is not known. The
 * count is the machine's, so that with an unexplained SIGKILL at the same time `oom` is plausible and not proven.
 */
export function diagnose(end: ProcessEnd, stderr: OutputLog, outOfMemoryKills: number | null): Verdict {
  if (end.signal === 'SIGKILL' && (outOfMemoryKills ?? 0) > 0) {
    return {
      reason: 'oom',
      message: withLastWords('the machine ran out of memory and the kernel killed the trainer process', stderr),
    };
  }
  return { reason: 'lost', message: withLastWords(`the trainer process ${describeEnd(end)}`, stderr) };
}
