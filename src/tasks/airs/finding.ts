export interface TaskFinding {
  readonly check: string;
  readonly outcome: 'ok' | 'failed' | 'skipped';
  readonly detail: string;
}

const finding =
  (outcome: TaskFinding['outcome']) =>
  (check: string, detail: string): TaskFinding => ({ check, outcome, detail });

export const ok = finding('ok');
export const failed = finding('failed');
/** Where a check cannot be made: never reported as passed. */
export const skipped = finding('skipped');

/** Thrown by a script that cannot run on this machine: the checks behind it cannot be made. */
export class PackageMissing extends Error {}
