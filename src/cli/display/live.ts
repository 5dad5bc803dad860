import { createLogUpdate } from 'log-update';
import { endingText } from '../../domain/ending.ts';
import { expectedSeconds, trainings } from '../../domain/ladder.ts';
import type { AgentState, SearchStatus, WorkerState } from '../../domain/messages.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { rungs } from '../../domain/task.ts';
import { coloursFor, printable, type Timers } from '../../platform/index.ts';
import { proposalText } from '../../report/index.ts';
import { clockTime, type Display, metricText, spending } from './display.ts';

const colours = coloursFor(process.stdout);

const redrawEveryMs = 250;
const barWidth = 20;

/** Text of models and programs, made safe for one line. */
const safeText = (text: string): string => printable(text, { width: 400 });

/** What the block shows, collected from events and heartbeats. */
interface Snapshot {
  spec: SearchSpec | null;
  searchStatus: SearchStatus | null;
  agents: Map<string, AgentState>;
  workers: Map<string, WorkerState>;
  notice: string;
}

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `${'█'.repeat(full)}${colours.dim('░'.repeat(barWidth - full))}`;
};

/** Estimated wall-clock milliseconds until the end of the search, from measured training times. */
export function timeLeftMs(spec: SearchSpec, searchStatus: SearchStatus, slots: number): number {
  const proposed = searchStatus.agents.reduce((sum, agent) => sum + agent.proposed, 0);
  const screened = searchStatus.phase === 'screening' ? spec.budget.evaluations : proposed;
  const planned = trainings(screened, spec.references.length, spec.ladder);
  const expected = expectedSeconds(spec.rungs, searchStatus.meanSeconds);
  const seconds = rungs.reduce((sum, rung) => {
    const outstanding = Math.max(searchStatus.pendingOn[rung], planned[rung] - searchStatus.doneOn[rung]);
    return sum + outstanding * expected[rung];
  }, 0);
  const estimate = (1000 * seconds) / Math.max(1, slots);
  const { minutes } = spec.budget;
  return minutes === undefined ? estimate : Math.min(estimate, minutes * 60_000 - searchStatus.elapsedMs);
}

function draw({ spec, searchStatus, agents, workers, notice }: Snapshot): string {
  if (!spec) return '';
  const width = Math.max(...spec.agents.map(({ name }) => name.length), 8);
  const lines = [
    `${colours.bold(spec.id)}  ${spec.task}, ${spec.profile}  ${colours.cyan(searchStatus?.phase ?? 'starting')}`,
  ];
  const alive = [...workers.values()].filter(({ state }) => state !== 'stopped');
  if (searchStatus) {
    const left = clockTime(timeLeftMs(spec, searchStatus, alive.length));
    const { minutes } = spec.budget;
    const of = minutes === undefined ? '' : ` of ${clockTime(minutes * 60_000)}`;
    const { done, pending, failed } = searchStatus.trainings;
    const perMinute = searchStatus.elapsedMs > 0 ? (60_000 * done) / searchStatus.elapsedMs : 0;
    lines.push(`${clockTime(searchStatus.elapsedMs)}${of}, about ${left} left`);
    lines.push(proposalText(searchStatus.proposals, spec.budget.evaluations));
    const lost = failed > 0 ? `, ${failed} failed` : '';
    lines.push(
      `${done} trainings done${lost}, ${searchStatus.training} running, ${pending - searchStatus.training} queued; ${perMinute.toFixed(1)} a minute`,
    );
    const paid = spending(spec, searchStatus);
    if (paid !== null) lines.push(paid);
  }
  lines.push('');
  for (const { name, model, scaffold, evaluations } of spec.agents) {
    const row = searchStatus?.agents.find((each) => each.agent === name);
    const state = agents.get(name);
    const accepted = row ? row.proposed - row.rejected - row.duplicate : 0;
    const used = `${accepted}/${evaluations}`.padStart(7);
    const doing = state ? `${state.state} ${colours.dim(safeText(state.note))}` : colours.dim('starting');
    lines.push(
      `  ${name.padEnd(width)} ${colours.dim(`${model} ${scaffold.kind}`.padEnd(26))} ${used}  best ${metricText(row?.best, spec)}  ${doing}`,
    );
  }
  lines.push('');
  for (const { worker, state, progress } of alive) {
    const label = worker.replace(/-w[0-9a-f]+$/, '');
    lines.push(`  ${label.padEnd(width)} ${state === 'training' ? bar(progress ?? 0) : colours.dim(state)}`);
  }
  if (searchStatus?.best) {
    const { validation, node, short, rung } = searchStatus.best;
    lines.push(
      '',
      `best ${colours.bold(metricText(validation, spec))} on the ${rung} rung: ${node} ${colours.green(safeText(short))}`,
    );
  }
  if (notice !== '') lines.push(colours.yellow(safeText(notice)));
  return lines.join('\n');
}

/** One block, redrawn in place on a terminal. */
export function liveDisplay(stream: NodeJS.WriteStream, timers: Timers): Display {
  const update = createLogUpdate(stream);
  const snapshot: Snapshot = { spec: null, searchStatus: null, agents: new Map(), workers: new Map(), notice: '' };
  const redraw = () => update(draw(snapshot));
  let stopRedrawing: (() => void) | undefined;
  return {
    started(spec) {
      snapshot.spec = spec;
      stopRedrawing = timers.every(redrawEveryMs, redraw);
      redraw();
    },
    event(event) {
      const text =
        event.kind === 'node-failed'
          ? `${event.node} failed on the ${event.rung} rung: ${event.reason}: ${event.message}`
          : event.kind === 'ended-early'
            ? endingText(event)
            : null;
      if (text === null) return;
      update.clear();
      stream.write(colours.yellow(`${safeText(text)}\n`));
    },
    agent: (state) => void snapshot.agents.set(state.agent, state),
    worker: (state) => void snapshot.workers.set(state.worker, state),
    searchStatus(searchStatus) {
      snapshot.searchStatus = searchStatus;
    },
    notice(sentence) {
      snapshot.notice = sentence;
    },
    ended({ how, searchStatus, report, summary }) {
      stopRedrawing?.();
      snapshot.searchStatus = searchStatus ?? snapshot.searchStatus;
      update.clear();
      if (summary !== null) stream.write(summary);
      if (how === 'stopped') stream.write(`stopped; resume with: aira launch --resume ${snapshot.spec?.id}\n`);
      if (report !== null) stream.write(`report: ${report}\n`);
    },
  };
}
