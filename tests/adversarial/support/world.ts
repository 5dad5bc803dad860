import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Outcome } from '../../../src/domain/evaluation.ts';
import type { Files } from '../../../src/domain/program.ts';
import { ProgramEvaluator } from '../../../src/evaluators/programs/programEvaluator.ts';
import { findPython, packageRoot, secretFile } from '../../../src/platform/installation.ts';
import { probeSandbox, type SandboxCapability, type SandboxOptions } from '../../../src/sandbox/index.ts';
import type { DesignPackage } from '../../../src/tasks/taskScripts.ts';
import type { Attack, Ending } from '../attacks.ts';
import { difference, hostTree, leftGroups, leftProcesses, mounts, openFiles } from './host.ts';
import { arenaOf, fewBatches, jobFor, type TinySettings, tinyArena, tinyText } from './settings.ts';
import { attackFiles, honestScript, type Knowledge } from './submissions.ts';

export interface Finding {
  readonly contained: boolean;
  readonly outcome: Outcome;
  /** What was wrong; empty where it was contained. */
  readonly problems: readonly string[];
}

/**
 * A laboratory with something to steal and something to break: canaries on disk, in the environment, on a port and on a
 * socket, and the means to see whether anything of the machine has changed.
 */
export class World {
  readonly capability: SandboxCapability;
  readonly knowledge: Knowledge;
  readonly #folder: string;
  readonly #server: Server;
  readonly #listener: ChildProcess;
  readonly #env: Record<string, string>;
  readonly #honestScores = new Map<TinySettings, number>();

  private constructor(
    capability: SandboxCapability,
    knowledge: Knowledge,
    own: { folder: string; server: Server; listener: ChildProcess; env: Record<string, string> },
  ) {
    this.capability = capability;
    this.knowledge = knowledge;
    this.#folder = own.folder;
    this.#server = own.server;
    this.#listener = own.listener;
    this.#env = own.env;
  }

  static async open(capability?: SandboxCapability): Promise<World> {
    const python = capability?.python ?? (await findPython());
    // Open to everybody, and not below /tmp, which is the program's own: so that only the choice of its root keeps it out.
    const folder = mkdtempSync('/var/tmp/aira-world-');
    chmodSync(folder, 0o755);
    const token = `canary${process.pid}x${Math.floor(performance.now())}`;
    const canary = join(folder, 'secret-labels.txt');
    writeFileSync(canary, token, { mode: 0o644 });
    process.env.AIRA_TEST_KEY = token;
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), AIRA_SECRET_FILE: secretFile() } as Record<
      string,
      string
    >;
    mkdirSync(join(folder, 'cache'));
    const server = createServer((socket) => socket.on('error', () => {}).end(token));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    // A socket in a folder, and one without a path, which Node cannot make; and somebody who uses a file of the system.
    const listening = `
import fcntl, os, select, socket, sys
one, other = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
one.bind(sys.argv[1]); other.bind("\\0" + sys.argv[2])
one.listen(64); other.listen(64)
os.chmod(sys.argv[1], 0o777)
locked = open(os.__file__); fcntl.flock(locked, fcntl.LOCK_SH)
print(os.__file__, flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]: open(os.__file__).close()`;
    const listener = spawn(python, ['-c', listening, join(folder, 'socket'), token], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const shared = await new Promise<string>((resolve) => listener.stdout?.once('data', (said) => resolve(`${said}`)));
    const knowledge: Knowledge = {
      CANARY: canary,
      CANARY_FOLDER: folder,
      HIDDEN: join(folder, 'cache', 'aira', 'design'),
      SECRET: secretFile(),
      TOKEN: token,
      PORT: port,
      HOST_NAME: hostname(),
      SHARED: shared.trim(),
    };
    const own = { folder, server, listener, env };
    return new World(capability ?? (await probeSandbox({ python })), knowledge, own);
  }

  async close(): Promise<void> {
    this.#listener.kill('SIGKILL');
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Judges one submission, with all defences unless others are given; maybe by sources other than ours. */
  async judge(
    files: Files,
    settings: TinySettings,
    sandbox: Partial<SandboxOptions> = {},
    design?: DesignPackage,
  ): Promise<Outcome> {
    // Prepared data are those of the sources that made them.
    const env = design ? { ...this.#env, XDG_CACHE_HOME: join(design.folder, 'cache') } : this.#env;
    const evaluator = new ProgramEvaluator({
      ...{ python: this.capability.python, device: { name: 'cpu', memoryLimitBytes: 8e9 }, env },
      ...(design ? { design } : {}),
      sandbox: { capability: this.capability, ...sandbox },
    });
    const found: Outcome[] = [];
    try {
      await evaluator.evaluate([jobFor(files, settings)], { onOutcome: (_, outcome) => found.push(outcome) });
    } finally {
      await evaluator.stop();
    }
    const [outcome] = found;
    if (!outcome || found.length !== 1) throw new Error(`${found.length} outcomes`);
    return outcome;
  }

  /** The score of the honest script where this attack is run, measured once. */
  async honestScore({ fewBatches: few }: Pick<Attack, 'fewBatches'> = {}): Promise<number> {
    const text = few ? fewBatches : tinyText;
    const known = this.#honestScores.get(text) ?? scoreOf(await this.judge(honestScript, text));
    this.#honestScores.set(text, known);
    return known;
  }

  /** Runs an attack. */
  async attempt(attack: Attack, sandbox: Partial<SandboxOptions> = {}, design?: DesignPackage): Promise<Outcome> {
    const files = attackFiles(attack.name, { ...this.knowledge, HIDDEN: this.#hiddenFile() });
    const arena = attack.arena ? arenaOf[attack.arena.task] : tinyArena;
    const text = attack.fewBatches ? fewBatches : tinyText;
    const tiny = 'model.py' in files ? arena : text;
    const settings = {
      ...tiny,
      ...('script' in tiny ? { script: { ...tiny.script, ...attack.script } } : {}),
      budget: { ...tiny.budget, ...attack.budget },
    };
    return this.judge(files, settings, sandbox, design);
  }

  /** Runs an attack and looks at everything that must hold afterwards. */
  async attack(attack: Attack, sandbox: Partial<SandboxOptions> = {}): Promise<Finding> {
    const honest = await this.honestScore(attack);
    const isArena = 'model.py' in attackFiles(attack.name, this.knowledge);
    const watched = [packageRoot, this.#folder, this.knowledge.SECRET, '/etc'];
    const before = hostTree(watched);
    const mountsBefore = mounts();
    const outcome = await this.attempt(attack, sandbox);
    const isPrepared = (path: string) => path.startsWith(this.knowledge.HIDDEN) && !before.has(path);
    // Data that the evaluator itself has prepared are new; what was there has to be as it was.
    const changed = difference(before, hostTree(watched)).filter((path) => !isPrepared(path));
    const problems = [
      ...endingProblems(attack.endings, outcome, isArena ? (attack.arena?.below ?? 1) : honest),
      ...changed.map((path) => `${path} has changed`),
      ...(await stillLeft()).map((each) => `a process is left: ${each}`),
      ...leftGroups(this.capability).map((each) => `a control group is left: ${each}`),
      ...(mounts() === mountsBefore ? [] : ['a mount is left']),
      ...openFiles().map((each) => `a file is still open: ${each}`),
      ...this.#evidence(outcome),
    ];
    return { contained: problems.length === 0, outcome, problems };
  }

  /** Whatever text reaches the host: no escape told, no canary carried out, nothing that acts on a terminal. */
  #evidence(outcome: Outcome): string[] {
    const text = JSON.stringify(outcome);
    const message = outcome.status === 'failed' ? outcome.message : '';
    return [
      ...(text.includes('ESCAPED') ? [message] : []),
      ...(text.includes('HIDDEN ROWS') ? ['hidden rows were carried out'] : []),
      ...(text.includes(this.knowledge.TOKEN) ? ['a canary was carried out'] : []),
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
      ...(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(message) ? ['control characters are kept'] : []),
    ];
  }

  #hiddenFile(): string {
    const folder = this.knowledge.HIDDEN;
    const [prepared = ''] = readdirSync(folder).filter((name) => /^[0-9a-f]{32}$/.test(name));
    return join(folder, prepared, 'hidden', 'validation_rows.npy');
  }
}

/** Processes that are left and do not go: somebody else's program may be ending at this very moment. */
async function stillLeft(): Promise<string[]> {
  try {
    await vi.waitFor(() => expect(leftProcesses()).toEqual([]), { timeout: 5000, interval: 50 });
    return [];
  } catch {
    return leftProcesses();
  }
}

export function scoreOf(outcome: Outcome): number {
  if (outcome.status === 'ok' && outcome.validation !== null) return outcome.validation;
  throw new Error(`no score: ${JSON.stringify(outcome)}`);
}

function endingProblems(endings: readonly Ending[], outcome: Outcome, honest: number): string[] {
  const reached: Ending =
    outcome.status === 'failed' ? outcome.reason : scoreOf(outcome) === honest ? 'same score' : 'own score';
  const message = outcome.status === 'failed' ? `: ${outcome.message}` : '';
  const wrong = !endings.includes(reached) ? [`it ended with ${reached}, not ${endings.join(' or ')}${message}`] : [];
  const better =
    outcome.status === 'ok' && scoreOf(outcome) > honest ? ['it scores better than the honest script'] : [];
  return [...wrong, ...better];
}
