import { rngFor } from '../../src/domain/rng.ts';
import { type PartName, partNames, type Victim, victims } from './distributedLab.ts';

/** One bad thing that happens to a lab. */
export type Fault =
  | { readonly kind: 'kill'; readonly victim: Victim }
  | { readonly kind: 'stop'; readonly part: PartName; readonly ms: number }
  | {
      readonly kind: 'partition';
      readonly part: PartName;
      readonly direction: 'up' | 'down' | 'both';
      readonly ms: number;
    }
  | { readonly kind: 'reset'; readonly part: PartName }
  | { readonly kind: 'delay'; readonly part: PartName; readonly latencyMs: number; readonly ms: number }
  | { readonly kind: 'lose' | 'repeat'; readonly part: PartName; readonly messages: number }
  | { readonly kind: 'server'; readonly streams: 'kept' | 'lost' }
  | { readonly kind: 'clock'; readonly part: PartName; readonly hours: number }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'second archive' }
  | { readonly kind: 'read-only' }
  | { readonly kind: 'disk full'; readonly ms: number };
export type FaultKind = Fault['kind'];

/** Kills are what a cluster does most. */
const weights: Readonly<Record<FaultKind, number>> = {
  kill: 24,
  stop: 6,
  partition: 6,
  reset: 3,
  delay: 2,
  lose: 4,
  repeat: 4,
  server: 3,
  clock: 3,
  stranger: 1,
  'second archive': 1,
  'read-only': 1,
  'disk full': 1,
};
export const faultKinds = Object.keys(weights) as FaultKind[];

/** The faults of a campaign, each with the pause before it: a function of its seed. */
export function scheduleOf(seed: number, faults: number, pauseMs: number): { afterMs: number; fault: Fault }[] {
  const rng = rngFor('bad days', seed);
  const between = (least: number, most: number) => Math.round(least + (most - least) * rng.float());
  const one = (): Fault => {
    const kind = rng.weighted(
      faultKinds,
      faultKinds.map((each) => weights[each]),
    );
    const part = rng.pick(partNames);
    switch (kind) {
      case 'kill':
        return { kind, victim: rng.pick(victims.filter((victim) => victim !== 'server')) };
      case 'stop':
        return { kind, part, ms: between(300, 5000) };
      case 'partition':
        return { kind, part, direction: rng.pick(['up', 'down', 'both'] as const), ms: between(300, 5000) };
      case 'reset':
        return { kind, part };
      case 'delay':
        return { kind, part, latencyMs: between(20, 400), ms: between(500, 4000) };
      case 'lose':
      case 'repeat':
        return { kind, part, messages: between(1, 4) };
      case 'server':
        return { kind, streams: rng.pick(['kept', 'lost'] as const) };
      case 'clock':
        return { kind, part, hours: rng.pick([-12, -1, 1, 12]) };
      case 'disk full':
        return { kind, ms: between(500, 2000) };
      default:
        return { kind };
    }
  };
  return Array.from({ length: faults }, () => ({ afterMs: between(pauseMs / 4, (7 * pauseMs) / 4), fault: one() }));
}

/** How many trainings a fault may have cut off, or had trained again because their results came late. */
export function costOf(fault: Fault): number {
  switch (fault.kind) {
    case 'kill':
      if (fault.victim === 'archive') return 2;
      return /^(worker|trainer)/.test(fault.victim) ? 1 : 0;
    case 'stop':
    case 'partition':
    case 'reset':
    case 'lose':
    case 'repeat':
    case 'delay':
      return fault.part === 'archive' ? 2 : fault.part.startsWith('worker') ? 1 : 0;
    case 'server':
    case 'read-only':
    case 'disk full':
      return 2;
    default:
      return 0;
  }
}
