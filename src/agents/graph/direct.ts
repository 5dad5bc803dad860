import type { View } from '../../domain/node.ts';
import { following, type Step, type Thought, type ThoughtSetting, type ThoughtState, thoughtSteps } from './steps.ts';

/** One thought, step after step, with nothing written down: a hundredth of the time that keeping it takes. */
export async function thinkThrough(setting: ThoughtSetting, view: View): Promise<Thought> {
  const steps = thoughtSteps(setting);
  let state = { view } as ThoughtState;
  for (let step: Step | null = 'recall'; step; ) {
    state = { ...state, ...(await steps[step](state)) };
    const next: (typeof following)[Step] = following[step];
    step = typeof next === 'function' ? next(state) : next;
  }
  return state.thought;
}
