/**
 * Named places where a process can be made to die, so that tests reach the windows between two durable steps, which random
 * kills almost never hit. `AIRA_FAILPOINT=name` dies at the first pass, `name:3` at the third. Otherwise a failpoint costs
 * one comparison.
 */
export const failpoints = [
  'submit.before-commit',
  'submit.after-commit',
  'publish.before-send',
  'publish.after-send',
  'worker.before-claim',
  'worker.after-claim',
  'train.before-start',
  'train.after-end',
  'result.after-publish',
  'job.after-ack',
  'archive.before-commit',
  'archive.after-commit',
] as const;
export type Failpoint = (typeof failpoints)[number];

const [armed, nth = '1'] = (process.env.AIRA_FAILPOINT ?? '').split(':');
let passes = 0;

/** Kills this process without clean-up if a test has armed this place. */
export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  passes += 1;
  if (passes === Number(nth)) process.kill(process.pid, 'SIGKILL');
}
