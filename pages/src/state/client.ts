import type { CommandBody, CommandReply, Problem } from '../../../src/views/api.ts';
import { accessToken } from './location.ts';

/**
 * Requests to the API, with the token of this page, and its failures as sentences. Answers are not checked again here: they
 * come from this page's own server, which checks each against its schema.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string | null;

  constructor(status: number, message: string, remedy: string | null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.remedy = remedy;
  }
}

const apiVersion = 1;

/** Absolute URL of a path of the API: next to the page, also behind the prefix of a proxy. */
export const apiUrl = (path: string): string => new URL(`api/${path}`, document.baseURI.replace(/#.*$/s, '')).href;

const authorization = (): Record<string, string> => {
  const token = accessToken();
  return token === null ? {} : { authorization: `Bearer ${token}` };
};

/** What a request threw, as an error with a sentence. */
export const apiError = (thrown: unknown): ApiError =>
  thrown instanceof ApiError ? thrown : new ApiError(0, String(thrown), null);

async function failure(answer: Response): Promise<ApiError> {
  const problem = (await answer.json().catch(() => null)) as Partial<Problem> | null;
  const message = problem?.message ?? `the server answered ${answer.status}`;
  const remedy =
    problem?.remedy ??
    (answer.status === 401 ? 'open the address that `aira dashboard` printed, with its #token' : null);
  return new ApiError(answer.status, message, remedy);
}

/** @throws ApiError with the server's sentence, or one about the connection. */
export async function getJson<T>(path: string): Promise<T> {
  const answer = await fetch(apiUrl(path), { headers: { accept: 'application/json', ...authorization() } }).catch(
    () => {
      throw new ApiError(
        0,
        'the dashboard does not answer',
        'start `aira dashboard` again; this page reconnects by itself',
      );
    },
  );
  if (!answer.ok) throw await failure(answer);
  const value = (await answer.json()) as T & { readonly version?: number };
  if (value.version !== undefined && value.version !== apiVersion) {
    throw new ApiError(0, `the server speaks version ${value.version} of the API`, 'reload the page');
  }
  return value;
}

/** A text behind `raw`, for copying and downloading. @throws ApiError */
export async function getText(path: string): Promise<string> {
  const answer = await fetch(apiUrl(path), { headers: authorization() });
  if (!answer.ok) throw await failure(answer);
  return answer.text();
}

/** @throws ApiError; status 409 if no lab runs there. */
export async function sendCommand(path: string, body: CommandBody): Promise<CommandReply> {
  const answer = await fetch(apiUrl(path), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...authorization() },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw await failure(answer);
  return (await answer.json()) as CommandReply;
}
