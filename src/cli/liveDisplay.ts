import { stripVTControlCharacters } from 'node:util';
import ansiEscapes from 'ansi-escapes';
import { createLogUpdate } from 'log-update';
import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';
import { endingText } from '../domain/ending.ts';
import { plateauText } from '../domain/ideas.ts';
import type { SearchStatus } from '../domain/messages.ts';
import { scaffoldLabel } from '../domain/scaffold.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type Clock, coloursFor, printable, type Timers } from '../platform/index.ts';
import { proposalText, timeLeftMs } from '../views/index.ts';
import { Crew, clockTime, type Display, metricText, rungText, spending } from './display.ts';

const colours = coloursFor(process.stdout);

const redrawEveryMs = 250;
const barWidth = 20;

/** Text of models and programs, made safe for one line. */
const safeText = (text: string): string => printable(text, { width: 400 });

/** What the block shows, collected from events and heartbeats. */
interface Snapshot {
  spec: SearchSpec | null;
  searchStatus: SearchStatus | null;
  readonly crew: Crew;
  notice: string;
}

/** Columns and rows of the terminal. */
interface Size {
  readonly columns: number;
  readonly rows: number;
}

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth);
  return `${'█'.repeat(full)}${colours.dim('░'.repeat(barWidth - full))}`;
};

/**
 * The block, fitted to a terminal: a line is cut by the columns that its characters take (two for CJK), and of more lines than
 * rows those of agents and workers are left out first.
 */
function draw({ spec, searchStatus, crew, notice }: Snapshot, { columns, rows }: Size): string {
  if (!spec) return '';
  const width = Math.max(...spec.agents.map(({ name }) => name.length), 8);
  const head = [
    `${colours.bold(spec.id)}  ${spec.task}, ${spec.profile}  ${colours.cyan(searchStatus?.phase ?? 'starting')}`,
  ];
  const alive = crew.workers();
  if (searchStatus) {
    const left = clockTime(timeLeftMs(spec, searchStatus, alive.length));
    const { minutes } = spec.budget;
    const of = minutes === undefined ? '' : ` of ${clockTime(minutes * 60_000)}`;
    const { done, pending, failed } = searchStatus.trainings;
    const perMinute = searchStatus.elapsedMs > 0 ? (60_000 * done) / searchStatus.elapsedMs : 0;
    head.push(`${clockTime(searchStatus.elapsedMs)}${of}, about ${left} left`);
    head.push(proposalText(searchStatus.proposals, spec.budget.evaluations));
    const lost = failed > 0 ? `, ${failed} failed` : '';
    head.push(
      `${done} trainings done${lost}, ${searchStatus.training} running, ${pending - searchStatus.training} queued; ${perMinute.toFixed(1)} a minute`,
      rungText(spec, searchStatus),
    );
    const paid = spending(spec, searchStatus);
    if (paid !== null) head.push(paid);
    if (searchStatus.paused) head.push(colours.yellow(safeText(searchStatus.paused)));
  }
  const agents = spec.agents.map(({ name, model, scaffold, evaluations }) => {
    const row = searchStatus?.agents.find((each) => each.agent === name);
    const state = crew.stateOf(name);
    const accepted = row ? row.proposed - row.rejected - row.duplicate : 0;
    const used = `${accepted}/${evaluations}`.padStart(7);
    const silent = row?.end ? `ended: ${safeText(row.end.reason)}` : 'not here';
    const doing = state ? `${state.state} ${colours.dim(safeText(state.note))}` : colours.dim(silent);
    return `  ${name.padEnd(width)} ${colours.dim(`${model} ${scaffoldLabel(scaffold)}`.padEnd(26))} ${used}  best ${metricText(row?.best, spec)}  ${doing}`;
  });
  const workers = alive.map(({ worker, state, progress }) => {
    const label = worker.replace(/-w[0-9a-f]+$/, '');
    return `  ${label.padEnd(width)} ${state === 'training' ? bar(progress ?? 0) : colours.dim(state)}`;
  });
  const tail: string[] = [];
  if (searchStatus?.best) {
    const { validation, node, short, rung } = searchStatus.best;
    tail.push(
      `best ${colours.bold(metricText(validation, spec))} on the ${rung} rung: ${node} ${colours.green(safeText(short))}`,
    );
  }
  for (const wait of searchStatus ? crew.missing(spec, searchStatus) : []) tail.push(colours.yellow(safeText(wait)));
  if (notice !== '') tail.push(colours.yellow(safeText(notice)));
  // The line on which the cursor waits, and three empty ones between the parts.
  const room = Math.max(2, rows - 4 - head.length - tail.length);
  const ofWorkers = Math.min(workers.length, Math.max(1, Math.floor(room / 2), room - agents.length));
  const lines = [
    ...head,
    '',
    ...fitted(agents, room - ofWorkers, 'agents'),
    '',
    ...fitted(workers, ofWorkers, 'workers'),
    ...(tail.length > 0 ? ['', ...tail] : []),
  ];
  // One column is left free: a full line would wrap in some terminals. Of a very low window the first lines remain.
  return lines
    .slice(0, Math.max(1, rows - 1))
    .map((line) => fittedLine(line, columns - 1))
    .join('\n');
}

/** The line, cut to this many columns. A wide character may reach one column beyond where it is cut. */
const fittedLine = (line: string, columns: number): string =>
  stringWidth(line) <= columns ? line : `${sliceAnsi(line, 0, Math.max(1, columns - 2))}…`;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Rows that a terminal wraps a line to: a wide character that does not fit moves to the next row. */
function wrappedRows(line: string, columns: number): number {
  let [rows, used] = [1, 0];
  for (const { segment } of graphemes.segment(stripVTControlCharacters(line))) {
    const width = stringWidth(segment);
    if (used + width > columns) [rows, used] = [rows + 1, 0];
    used += width;
  }
  return rows;
}

/** At most `most` of the lines, the last one saying how many there are more. */
function fitted(lines: readonly string[], most: number, what: string): readonly string[] {
  if (lines.length <= most) return lines;
  const shown = lines.slice(0, Math.max(0, most - 1));
  return [...shown, colours.dim(`  and ${lines.length - shown.length} more ${what}`)];
}

/** One block, redrawn in place on a terminal, whose size may change. */
export function liveDisplay(stream: NodeJS.WriteStream, timers: Timers, clock: Clock): Display {
  const update = createLogUpdate(stream);
  const crew = new Crew(clock);
  const snapshot: Snapshot = { spec: null, searchStatus: null, crew, notice: '' };
  let drawn = '';
  const redraw = () => {
    drawn = draw(snapshot, { columns: stream.columns ?? 80, rows: stream.rows ?? 24 });
    update(drawn);
  };
  /** A narrower terminal has wrapped the lines of the block: they take more rows than `update` knows of. */
  const resized = () => {
    const columns = Math.max(1, stream.columns ?? 80);
    const more = drawn.split('\n').reduce((sum, line) => sum + wrappedRows(line, columns) - 1, 0);
    stream.write(ansiEscapes.eraseLines(more + 1));
    update.clear();
    redraw();
  };
  let stopRedrawing: (() => void) | undefined;
  return {
    started(spec) {
      snapshot.spec = spec;
      stopRedrawing = timers.every(redrawEveryMs, redraw);
      stream.on('resize', resized);
      redraw();
    },
    event(event) {
      const text =
        event.kind === 'node-failed'
          ? `${event.node} failed on the ${event.rung} rung: ${event.reason}: ${event.message}`
          : event.kind === 'ended-early'
            ? endingText(event)
            : event.kind === 'agent-plateaued'
              ? plateauText(event)
              : event.kind === 'ruled'
                ? event.sentence
                : null;
      if (text === null) return;
      update.clear();
      stream.write(colours.yellow(`${safeText(text)}\n`));
    },
    agent: (state) => crew.agent(state),
    worker: (state) => crew.worker(state),
    searchStatus(searchStatus) {
      snapshot.searchStatus = searchStatus;
    },
    notice(sentence) {
      snapshot.notice = sentence;
    },
    dashboard(url) {
      // Above the block, where nothing is cut: its last part is the token.
      update.clear();
      stream.write(`dashboard: ${url}\n`);
      redraw();
    },
    ended({ how, searchStatus, report, summary }) {
      stopRedrawing?.();
      stream.off('resize', resized);
      snapshot.searchStatus = searchStatus ?? snapshot.searchStatus;
      update.clear();
      if (summary !== null) stream.write(summary);
      if (how === 'stopped') stream.write(`stopped; resume with: aira launch --resume ${snapshot.spec?.id}\n`);
      if (report !== null) stream.write(`report: ${report}\n`);
    },
  };
}
