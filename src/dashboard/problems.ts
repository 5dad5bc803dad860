import type { Context } from 'hono';
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
