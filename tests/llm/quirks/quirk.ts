/** A quirk of servers in the field: what one of them does, and what a question to it gives. */
import { expect, it } from 'vitest';
import type { ChatRequest } from '../../../src/llm/chat.ts';
import { defaultTimeouts, type Timeouts } from '../../../src/llm/wire.ts';
import { readArchive } from '../../../src/memory/reader.ts';
import {
  type Body,
  chat,
  messages,
  responses,
  type Serve,
  startRawServer,
  status,
  stream,
} from '../../support/llm-server/raw.ts';
import { bench, patient, question } from '../support.ts';

export const formats = {
  chat: 'compatible/qwen3:8b',
  messages: 'anthropic/claude-haiku-5-5',
  responses: 'openai/gpt-5.6-luna',
} as const;
type Format = keyof typeof formats;

export interface Quirk {
  readonly name: string;
  readonly format: Format;
  readonly given?: Partial<ChatRequest>;
  readonly serve: Serve;
  /** The answer, or the error. */
  readonly gives: object;
  /** Outcomes of the calls in the ledger. */
  readonly outcomes: readonly string[];
  readonly requests?: (bodies: Body[]) => void;
  /** The first call in the ledger, which failed, and the last one. */
  readonly failure?: object;
  readonly ledger?: object;
  readonly waits?: (waits: readonly number[]) => void;
}

/** What a row states apart from its own subject. */
type Rest = Partial<Omit<Quirk, 'name' | 'format' | 'serve'>>;

export const good = '{"one": 1}';
/** The good answer as a stream. */
export const whole: Readonly<Record<Format, readonly string[]>> = {
  chat: chat(good),
  messages: messages(good),
  responses: responses(good),
};
export const answer = { text: good, outcome: 'complete' };
export const rejected = { name: 'RequestRejectedError' };

/** An error in the words of the OpenAI formats, and in those of the Messages API. */
export const says = (message: string, type = 'invalid_request_error') => ({ error: { message, type } });
export const claudeSays = (message: string, type?: string) => ({ type: 'error', ...says(message, type) });

/** The server answers at once with this. */
export const reads = (format: Format, name: string, pieces: readonly string[], rest: Rest = {}): Quirk => ({
  ...{ format, name, serve: (to) => stream(to, pieces), gives: answer, outcomes: ['complete'] },
  ...rest,
});

/** The server refuses with these words while `has` is true of the request, and answers well otherwise. */
export const refuses = (
  format: Format,
  name: string,
  has: (body: Body) => unknown,
  words: unknown,
  { code = 400, ...rest }: Rest & { readonly code?: number } = {},
): Quirk => ({
  ...{ format, name, gives: answer, outcomes: ['rejected', 'complete'] },
  serve: (to, body) => (has(body) ? status(to, code, words) : stream(to, whole[format])),
  ...rest,
});

/** The server fails once, which gives this outcome, and answers well when it is asked again. */
export const failsOnce = (format: Format, name: string, outcome: string, serve: Serve, rest: Rest = {}): Quirk => ({
  ...{ format, name, gives: answer, outcomes: [outcome, 'complete'] },
  serve: (to, body, number) => (number === 0 ? serve(to, body, number) : stream(to, whole[format])),
  ...rest,
});

/** Every text of a request. */
export const wordsOf = ({ messages, input, system }: Body): string => JSON.stringify([messages, input, system]);

/** One test for each quirk. */
export function testQuirks(quirks: readonly Quirk[], timeouts: Timeouts = defaultTimeouts): void {
  it.each(quirks)(
    '$format: $name',
    async ({ format, given, serve, gives, outcomes, requests, failure, ledger, waits }) => {
      const server = await startRawServer(serve);
      const { gateway, home, spec, timers } = bench(server, { timeouts });
      const asked = question(server, formats[format], { request: given ?? {} });
      const result = await gateway.ask(asked, patient()).catch((thrown) => thrown);
      expect(result).toMatchObject(gives);
      requests?.(server.bodies);
      waits?.(timers.waits);
      const reader = readArchive(home);
      const calls = reader.calls.of(spec.id);
      reader.close();
      expect(calls.map(({ outcome }) => outcome)).toEqual(outcomes);
      if (failure) expect(calls[0]).toMatchObject(failure);
      if (ledger) expect(calls.at(-1)).toMatchObject(ledger);
    },
  );
}
