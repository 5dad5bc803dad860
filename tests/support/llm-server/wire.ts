import type { Asked, Said } from './asked.ts';
import { chatAsked, chatError, chatEvents } from './chat.ts';
import { messagesAsked, messagesError, messagesEvents } from './messages.ts';
import { responsesAsked, responsesError, responsesEvents } from './responses.ts';

export type { Asked, Called, Said } from './asked.ts';

/** @throws when the body is not what the real server of that path would take. */
export function readRequest(path: string, body: unknown): Asked {
  if (path === '/v1/responses') return responsesAsked(body);
  if (path === '/v1/messages') return messagesAsked(body);
  if (path === '/v1/chat/completions') return chatAsked(body);
  throw new Error(`nothing is served at ${path}`);
}

/** The answer as pieces of a server-sent event stream. */
export function streamOf(asked: Asked, said: Said, saysUsage: boolean): string[] {
  switch (asked.format) {
    case 'responses':
      return responsesEvents(asked, said);
    case 'messages':
      return messagesEvents(asked, said);
    case 'chat':
      return chatEvents(asked, said, saysUsage);
  }
}

/** An error inside a stream that began well. */
export function errorEvent({ format }: Asked): string {
  return { responses: responsesError, messages: messagesError, chat: chatError }[format]();
}
