import type { Database } from 'better-sqlite3';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { EvaluationResult } from '../domain/evaluation.ts';
import type { AgentName, EvaluationKey, SearchId, WorkerId } from '../domain/ids.ts';
import { isToken, tokenDigest } from '../platform/index.ts';
import { silenceLimitMs } from './ensemble.ts';

/** Beyond so many, refused results are no longer recorded: their sender decides how many there are. */
const mostRefusals = 10_000;

interface Claim {
  readonly key: EvaluationKey;
  readonly worker: WorkerId;
  readonly attempt: number;
}

/**
 * Who holds the name of an agent, and who the claim of a training.
 *
 * Role: binds tokens, recognises them. Non-role: what their holders may do. All methods expect to be called inside a
 * transaction.
 *
 * H1. A claim belongs to the token that it was made with, for ever.
 * H2. An agent of a search belongs to the first token that joins as it. Another one takes it over only after the holder has
 *     been silent for `patienceMs`, after which nobody waits for that agent either (E2).
 */
export function holdings(db: Database) {
  const claim = db.prepare<[string, string, number], { token: string }>(
    'SELECT token FROM claims WHERE key = ? AND worker = ? AND attempt = ?',
  );
  const insertClaim = db.prepare('INSERT INTO claims (key, worker, attempt, token) VALUES (?, ?, ?, ?)');
  const holder = db.prepare<[string, string], { token: string }>(
    'SELECT token FROM agent_holders WHERE search = ? AND agent = ?',
  );
  const setHolder = db.prepare('INSERT OR REPLACE INTO agent_holders (search, agent, token, at) VALUES (?, ?, ?, ?)');
  const callerOf = db.prepare<[string, string], { agent: AgentName }>(
    'SELECT agent FROM calls WHERE search = ? AND id = ?',
  );
  const countRefusals = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM refusals');
  const insertRefusal = db.prepare(
    'INSERT OR IGNORE INTO refusals (key, worker, attempt, reason, at) VALUES (?, ?, ?, ?, ?)',
  );
  /** When each holder was last heard. Forgotten with the process, which begins to wait anew. */
  const heard = new Map<string, number>();

  const required = (token: string | undefined, who: string): string => {
    if (token !== undefined) return token;
    throw new TerminalError('unproven', `a message in the name of ${who} came without a proof`);
  };

  return {
    /** @throws TerminalError `unproven`, `claim-held`. */
    bindClaim({ key, worker, attempt }: Claim, token: string | undefined): void {
      const shown = required(token, worker);
      const known = claim.get(key, worker, attempt);
      if (!known) insertClaim.run(key, worker, attempt, tokenDigest(shown));
      else if (!isToken(shown, known.token)) {
        throw new TerminalError('claim-held', `training ${attempt} of ${worker} is claimed by another process`);
      }
    },

    holdsClaim({ key, worker, attempt }: Claim, token: string | undefined): boolean {
      const known = claim.get(key, worker, attempt);
      return known !== undefined && isToken(token, known.token);
    },

    /** @throws TerminalError `unproven`; PrerequisiteError `agent-held` while another process holds the agent. */
    joinAs(search: SearchId, agent: AgentName, token: string | undefined, now: number): void {
      const shown = required(token, agent);
      const place = `${search} ${agent}`;
      const known = holder.get(search, agent);
      const isHolder = known !== undefined && isToken(shown, known.token);
      if (known && !isHolder) {
        const silentSince = heard.get(place) ?? now;
        heard.set(place, silentSince);
        if (now - silentSince < silenceLimitMs) {
          throw new PrerequisiteError(
            'agent-held',
            `"${agent}" of "${search}" is run by another process`,
            `stop that one, or start this one with its --home; after ${silenceLimitMs / 60_000} minutes of its silence another may take over`,
          );
        }
      }
      if (!isHolder) setHolder.run(search, agent, tokenDigest(shown), now);
      heard.set(place, now);
    },

    /** @throws TerminalError `unproven`, `not-the-agent`. */
    speaksAs(search: SearchId, agent: AgentName, token: string | undefined, now: number): void {
      const shown = required(token, agent);
      const known = holder.get(search, agent);
      if (!known || !isToken(shown, known.token)) {
        throw new TerminalError('not-the-agent', `"${agent}" of "${search}" is run by another process than this one`);
      }
      heard.set(`${search} ${agent}`, now);
    },

    /** The agent that made a call; undefined for a call that is not known. */
    callerOf: (search: SearchId, call: string): AgentName | undefined => callerOf.get(search, call)?.agent,

    /** Keeps that a result was not taken. */
    refuse({ key, worker, attempt }: EvaluationResult, reason: 'unheld' | 'unreadable', now: number): void {
      if ((countRefusals.get()?.n ?? 0) < mostRefusals) insertRefusal.run(key, worker, attempt, reason, now);
    },
  };
}
