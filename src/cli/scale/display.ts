import type { ScaleProgress } from '../../actors/index.ts';
import { referenceNode } from '../../domain/ids.ts';
import type { WorkerState } from '../../domain/messages.ts';
import type { ScalePoint } from '../../domain/scale.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { jsonLine, printable } from '../../platform/index.ts';
import { duration } from '../../scale/index.ts';
import { clockTime } from '../display.ts';

/** Interval between progress lines. */
const planProgressEveryMs = 15_000;
const maxPlanLineChars = 500;

export interface ScaleDisplay {
  started(spec: SearchSpec, known: number): void;
  progress(progress: ScaleProgress): void;
  worker(state: WorkerState): void;
  /** Seconds that are left by the measured pace; null before there is one. */
  secondsLeft(): number | null;
}

/**
 * One line per outcome, and one about progress and time left, for people or as JSON. Time left: what the plan estimates for the
 * trainings that are missing, times measured over estimated seconds of those that this plan has trained, over the workers.
 */
export function scaleDisplay(write: (line: string) => void, json: boolean, workers: number): ScaleDisplay {
  let spec: SearchSpec | null = null;
  let last: ScaleProgress | null = null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  const shown = new Set<string>();
  const shares = new Map<string, number>();
  const points = new Map<string, ScalePoint>();
  const planned = () => [...points.values()].reduce((sum, { seeds }) => sum + seeds, 0);

  const say = (text: string): void =>
    write(`[${clockTime(last?.status.elapsedMs ?? 0)}] ${printable(text, { width: maxPlanLineChars })}\n`);

  const pace = (): number | null => {
    let measured = 0;
    let estimated = 0;
    for (const { node, seconds, status } of last?.evaluations ?? []) {
      if (status !== 'ok' || seconds === null) continue;
      measured += seconds;
      estimated += points.get(node)?.resources.seconds ?? 0;
    }
    return estimated > 0 ? measured / estimated : null;
  };

  const secondsLeft = (): number | null => {
    const factor = pace();
    if (factor === null || !last) return null;
    const ended = new Map<string, number>();
    for (const { node, status } of last.evaluations) {
      if (status !== 'pending') ended.set(node, (ended.get(node) ?? 0) + 1);
    }
    let missing = 0;
    for (const [node, { seeds, resources }] of points) missing += (seeds - (ended.get(node) ?? 0)) * resources.seconds;
    for (const { key, node } of last.evaluations) {
      missing -= (shares.get(key) ?? 0) * (points.get(node)?.resources.seconds ?? 0);
    }
    return (Math.max(0, missing) * factor) / Math.max(1, workers);
  };

  return {
    started(started, known) {
      spec = started;
      for (const point of started.scale?.points ?? []) points.set(referenceNode(point.reference), point);
      if (json) return write(`${jsonLine({ event: 'started', search: started.id, trainings: planned(), known })}\n`);
      say(
        `plan ${started.id}: ${planned()} trainings${known > 0 ? `, ${known} known` : ''}; resume it with the same command`,
      );
    },
    progress(progress) {
      last = progress;
      const ended = progress.evaluations.filter(({ status }) => status !== 'pending');
      for (const { node, key, seed, status, validation, reason, message, seconds } of ended) {
        const point = points.get(node);
        if (shown.has(key + node) || !point) continue;
        shown.add(key + node);
        shares.delete(key);
        const { run, architecture, family, size, budget } = point;
        const loss = validation === null ? null : -validation;
        if (json) {
          write(
            `${jsonLine({ event: 'trained', architecture, family, size, budget, seed, status, loss, reason, message, seconds, key })}\n`,
          );
          continue;
        }
        const what = `${shown.size}/${planned()} ${run}, ${budget}, seed ${seed}`;
        if (status === 'ok') say(`${what}: loss ${loss?.toFixed(4)} (${duration(seconds ?? 0)})`);
        else say(`${what}: no loss: ${reason}: ${message}`);
      }
      if (json || progress.status.elapsedMs - lastPrintedMs < planProgressEveryMs) return;
      lastPrintedMs = progress.status.elapsedMs;
      const left = secondsLeft();
      const running = [...shares.values()].map((share) => `${Math.floor(100 * share)} %`).join(', ');
      say(
        `${ended.length} of ${planned()} trained; ${progress.status.training} training${running ? ` (${running})` : ''}` +
          `${left === null ? '' : `; about ${duration(left)} left`}`,
      );
    },
    worker({ state, key, progress }) {
      if (spec && key !== null && state === 'training' && progress !== null) shares.set(key, progress);
    },
    secondsLeft,
  };
}
