/** Which requests the dashboard answers, and how it answers one that it refuses. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Context, MiddlewareHandler } from 'hono';
import type * as z from 'zod';
import { AiraError, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import { formatZodError } from '../domain/inputFile.ts';
import type { Logger } from '../platform/index.ts';
import { apiVersion, type Problem, printed } from '../views/index.ts';

type Status = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 421 | 500 | 503;

/** Thrown for a request that is refused: its status, and one sentence. */
export class HttpProblem extends TerminalError {
  readonly status: Status;
  readonly remedy: string | null;

  constructor(status: Status, code: string, message: string, remedy: string | null) {
    super(code, message);
    this.status = status;
    this.remedy = remedy;
  }
}

const missing: readonly string[] = [
  'unknown-search',
  'unknown-node',
  'unknown-agent',
  'unknown-study',
  'unknown-part',
  'unknown-lab',
  'not-a-scale-plan',
];

function statusOf(error: AiraError): Status {
  if (missing.includes(error.code)) return 404;
  if (error.code === 'cursor') return 400;
  if (error instanceof RetryableError) return 503;
  return 409;
}

/** The answer to anything that was thrown: a sentence for people, no stack. */
export function problemAnswer(thrown: unknown, context: Context, log: Logger): Response {
  const answer = (status: Status, code: string, message: string, remedy: string | null) => {
    const body: Problem = { version: apiVersion, code, message: printed(message, 2000), remedy };
    context.header('Cache-Control', 'no-store');
    return context.json(body, status);
  };
  if (thrown instanceof HttpProblem) return answer(thrown.status, thrown.code, thrown.message, thrown.remedy);
  if (thrown instanceof PrerequisiteError) {
    return answer(statusOf(thrown), thrown.code, thrown.message, printed(thrown.remedy, 1000));
  }
  if (thrown instanceof AiraError) return answer(statusOf(thrown), thrown.code, thrown.message, null);
  log.error({ err: thrown, path: context.req.path }, 'a request of the dashboard failed');
  return answer(500, 'internal', 'the server failed; its log says why', null);
}

/** A query or a body by its schema. @throws HttpProblem 400 with what is wrong. */
export function requested<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpProblem(400, 'request', formatZodError(result.error, schema).join('; '), null);
}

/** Where the server listens, and what it asks of a request. */
export interface GuardOptions {
  /** Proves that a request comes from someone who was given the printed URL. */
  readonly token: string;
  /** Listens on this machine's own addresses only: then reading needs no token. */
  readonly loopback: boolean;
  /** Host names that a browser may name this server by, without port. */
  readonly hosts: readonly string[];
  /** The port; known once the server listens. */
  readonly port: () => number;
}

/** The policy of every answer: nothing from elsewhere, no inline script or style, no frame, no form. */
export const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers: Readonly<Record<string, string>> = {
  'Content-Security-Policy': contentPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
};

export const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'] as const;

/** Whether an address is of this machine alone. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Takes the same time whatever the difference. */
export const isSameToken = (given: string, token: string): boolean => timingSafeEqual(digest(given), digest(token));

function tokenOf(context: Context): string {
  const [scheme = '', value = ''] = (context.req.header('authorization') ?? '').split(' ');
  return scheme.toLowerCase() === 'bearer' ? value : '';
}

/**
 * Lets through requests that a page of this server makes, and no other.
 *
 * Role: names of the host, origin, token, and the headers of every answer. Non-role: what a request may read or do.
 *
 * GUA-1  A name that the server does not have is refused, so that a foreign name that is pointed at this machine reads nothing
 *        (DNS rebinding).
 * GUA-2  A request that names a foreign origin, or that a browser sends from a foreign site, is refused.
 * GUA-3  A command needs the token; off this machine's own addresses every request of the API does. It is compared in constant
 *        time, and is never part of an address: a browser has it behind `#`, which it does not send.
 */
export function guard({ token, loopback, hosts, port }: GuardOptions): MiddlewareHandler {
  return async (context, next) => {
    for (const [name, value] of Object.entries(headers)) context.header(name, value);
    const allowed = [...new Set([...loopbackHosts, ...hosts])].map((host) => `${host}:${port()}`);
    const host = (context.req.header('host') ?? '').toLowerCase();
    if (!allowed.includes(host)) throw new HttpProblem(421, 'host', 'this server has no such name', null);
    const origin = context.req.header('origin');
    const site = context.req.header('sec-fetch-site');
    const isOwnOrigin = origin === undefined || allowed.some((each) => origin.toLowerCase() === `http://${each}`);
    const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
    const isApi = context.req.path.startsWith('/api/');
    if (!isOwnOrigin || (isApi && !isOwnSite)) {
      throw new HttpProblem(403, 'origin', 'this server answers its own pages only', null);
    }
    const isCommand = context.req.method !== 'GET' && context.req.method !== 'HEAD';
    if ((isCommand || (isApi && !loopback)) && !isSameToken(tokenOf(context), token)) {
      throw new HttpProblem(401, 'token', 'the token is missing or wrong', 'open the address that aira printed');
    }
    await next();
  };
}
