import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { AgentSpec, SearcherFile } from '../../domain/agent.ts';
import { PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { isProgram, type ModelName, programFile } from '../../domain/model.ts';
import { isExecutable, type Timers, whyNot } from '../../platform/index.ts';
import type { PythonOptions } from '../models/bayes.ts';
import {
  defaultReplySeconds,
  type OpenMessage,
  type ProposeMessage,
  SearcherProcess,
  type SearcherReply,
} from '../searcherProcess.ts';

/** A question of an agent: what its program is opened with, and the view of one attempt. */
export interface SearcherQuestion {
  readonly open: OpenMessage;
  readonly propose: Omit<ProposeMessage, 'kind' | 'id' | 'ended'>;
}

/** Largest file of a program that is read for its digest. */
const maxProgramBytes = 64 * 1024 * 1024;

function digestOf(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > maxProgramBytes) {
      throw new PrerequisiteError(
        'searcher',
        `${path} is larger than ${maxProgramBytes} bytes`,
        'use a smaller program',
      );
    }
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    const remedy = 'restore the file, or correct its path, which is relative to the search file';
    throw new PrerequisiteError('searcher', `the program ${path} ${whyNot(thrown)}`, remedy);
  }
}

/** An executable file runs by itself, one in Python by Aira's Python. */
function commandOf(path: string, python: string): readonly [string, ...string[]] {
  if (isExecutable(path)) return [path];
  if (extname(path) === '.py') return [python, path];
  const remedy = `make it executable (chmod +x ${path}), or write it in Python as a .py file`;
  throw new PrerequisiteError('searcher', `the program ${path} is not executable`, remedy);
}

/**
 * The files of the `program/` models of a search or study file in `folder`.
 *
 * @throws PrerequisiteError `searcher` for one that is missing or cannot be run.
 */
export function searcherFiles(models: readonly ModelName[], folder: string): Map<ModelName, SearcherFile> {
  const files = new Map<ModelName, SearcherFile>();
  for (const model of models) {
    if (!isProgram(model) || files.has(model)) continue;
    const given = resolve(folder, programFile(model));
    const sha256 = digestOf(given);
    commandOf(given, '');
    files.set(model, { path: realpathSync(given), sha256 });
  }
  return files;
}

/** @throws PrerequisiteError `searcher-changed` if the file is not the one that the search started with. */
export function requireSameSearcher({ name, program }: Pick<AgentSpec, 'name' | 'program'>): void {
  if (!program || digestOf(program.path) === program.sha256) return;
  const message = `${program.path}, the program of ${name}, has changed since the search started`;
  throw new PrerequisiteError('searcher-changed', message, 'restore the file, or launch a new search');
}

/**
 * The programs of the agents of one search that run in this process.
 *
 * Role: one process per agent, started with its first question and again with the first one after its end. Non-role: recording
 * (the gateway), judging replies (thought.ts).
 *
 * SEA-1. A new process gets the whole view with each question, so nothing is lost with the one before (I5).
 * SEA-2. A program is started only if its file is the one that the search started with.
 * SEA-3. A specification starts no program by itself: it may come from the bus, and what it names is any file of this machine. The
 *     paths are given here, from the local search file or an option (I12).
 */
export class Searchers {
  readonly #helpers: PythonOptions;
  readonly #timers: Timers;
  readonly #allowed: ReadonlySet<string>;
  readonly #running = new Map<string, SearcherProcess>();
  #closed = false;

  /** @param allowed real paths of the programs that may be started. */
  constructor(helpers: PythonOptions, timers: Timers, allowed: Iterable<string>) {
    this.#helpers = helpers;
    this.#timers = timers;
    this.#allowed = new Set(allowed);
  }

  /** @throws PrerequisiteError if the program cannot be run, the signal's reason on abort. */
  async ask(spec: AgentSpec, { open, propose }: SearcherQuestion, signal: AbortSignal): Promise<SearcherReply> {
    if (this.#closed) throw new TerminalError('searcher-closed', `the program of ${spec.name} was closed`);
    const before = this.#running.get(spec.name);
    const process = before && !before.isOver ? before : this.#start(spec);
    return process.propose(open, propose, signal);
  }

  #start(spec: AgentSpec): SearcherProcess {
    const { name, program, replySeconds = defaultReplySeconds } = spec;
    if (!program) throw new TerminalError('searcher', `the specification of ${name} names no program`);
    if (!this.#allowed.has(program.path)) {
      const message = `the search names the program ${program.path} for ${name}, which nothing on this machine allows`;
      throw new PrerequisiteError('searcher-unknown', message, `give --program ${program.path} if it is yours`);
    }
    requireSameSearcher(spec);
    const { python, env } = this.#helpers;
    const { path } = program;
    const command = commandOf(path, python);
    const process = new SearcherProcess({ command, path, env, replyMs: 1000 * replySeconds, timers: this.#timers });
    this.#running.set(name, process);
    return process;
  }

  /** Ends all programs, which have two seconds to end by themselves; questions asked later are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map((process) => process.close()));
    this.#running.clear();
  }
}
