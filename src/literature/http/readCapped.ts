import { MalformedAnswerError } from './errors.ts';

/** The whole body as text. @throws MalformedAnswerError if it is longer than `mostBytes`, without reading the rest. */
export async function readCapped(response: Response, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > mostBytes) {
      throw new MalformedAnswerError(new URL(response.url).host, `more than ${mostBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
