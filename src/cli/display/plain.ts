import { endingText } from '../../domain/ending.ts';
import { plateauText } from '../../domain/ideas.ts';
import type { SearchStatus } from '../../domain/messages.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { type Clock, printable } from '../../platform/index.ts';
import { proposalText } from '../../views/index.ts';
import { Crew, clockTime, type Display, metricText, rungText, spending } from '../display.ts';

/** Interval between progress lines. */
const progressEveryMs = 15_000;
/** The message of a failed program may have thousands of characters; `aira trace` shows more. */
const maxLineChars = 1000;

/** One line per event, for logs and pipes. */
export function plainDisplay(write: (line: string) => void, clock: Clock): Display {
  const crew = new Crew(clock);
  let waits = '';
  let spec: SearchSpec | null = null;
  let last: SearchStatus | null = null;
  let lastPrintedMs = Number.NEGATIVE_INFINITY;
  const say = (text: string): void =>
    write(`[${clockTime(last?.elapsedMs ?? 0)}] ${printable(text, { width: maxLineChars })}\n`);
  return {
    started(started, resumed) {
      spec = started;
      const { minutes, evaluations } = started.budget;
      const budget = `${evaluations} evaluations${minutes === undefined ? '' : `, ${minutes} minutes`}`;
      say(`${resumed ? 'resuming' : 'search'} ${started.id}: ${started.task}, profile ${started.profile}, ${budget}`);
    },
    event(event) {
      if (event.kind === 'node-submitted') {
        say(`${event.node} ${event.operator} ${event.short}`);
      } else if (event.kind === 'node-evaluated') {
        const how = event.saved ? 'cache hit' : `${event.seconds.toFixed(1)} s`;
        say(
          `${event.node} ${event.rung} seed ${event.seed}: ${spec ? metricText(event.validation, spec) : ''} (${how})`,
        );
      } else if (event.kind === 'node-failed') {
        say(`${event.node} ${event.rung} seed ${event.seed} failed: ${event.reason}: ${event.message}`);
      } else if (event.kind === 'node-refused') {
        say(`${event.agent}: rejected as ${event.reason}: ${event.message}`);
      } else if (event.kind === 'ended-early') {
        say(endingText(event));
      } else if (event.kind === 'agent-plateaued') {
        say(plateauText(event));
      } else if (event.kind === 'ruled') {
        say(event.sentence);
      } else {
        say(`now ${event.phase}`);
      }
    },
    agent: (state) => crew.agent(state),
    worker: (state) => crew.worker(state),
    searchStatus(searchStatus) {
      last = searchStatus;
      const missing = spec ? crew.missing(spec, searchStatus).join('; ') : '';
      if (missing !== waits && missing !== '') say(missing);
      waits = missing;
      if (searchStatus.elapsedMs - lastPrintedMs < progressEveryMs) return;
      lastPrintedMs = searchStatus.elapsedMs;
      const minutes = spec?.budget.minutes;
      const left =
        minutes === undefined ? '' : `, ${clockTime(minutes * 60_000 - searchStatus.elapsedMs)} of the budget left`;
      const best = searchStatus.best
        ? `, best ${spec ? metricText(searchStatus.best.validation, spec) : ''} on the ${searchStatus.best.rung} rung: ${searchStatus.best.short}`
        : '';
      say(
        `${proposalText(searchStatus.proposals)}; ${searchStatus.trainings.done} trainings done${spec ? ` (${rungText(spec, searchStatus)})` : ''}${best}${left}`,
      );
      const paid = spec && spending(spec, searchStatus);
      if (paid) say(paid);
    },
    notice: say,
    dashboard: (url) => say(`dashboard: ${url}`),
    ended({ how, report, summary }) {
      if (summary !== null) write(summary);
      if (how === 'stopped') say(`stopped; resume with: aira launch --resume ${spec?.id}`);
      if (report !== null) say(`report: ${report}`);
    },
  };
}
