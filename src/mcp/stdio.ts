import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Logger } from '../platform/index.ts';
import type { Outsider } from './outsider.ts';
import { toolServer } from './tools.ts';

/** A running server. */
export interface StdioService {
  /** Resolves after the client has disconnected, or `stop`, when the agent's end has been recorded. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** Longest message of a client in bytes: a program as JSON within JSON, with its rationale. */
const maxMessageBytes = 4 * 1024 * 1024;

/**
 * Serves one client on stdin and stdout until it disconnects.
 *
 * The transport of the SDK does not report that stdin ended, which is how a client that was killed appears here.
 */
export async function serveOverStdio(outsider: Outsider, version: string, log: Logger): Promise<StdioService> {
  const server = toolServer(outsider, version);
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: maxMessageBytes });
  let reason = 'its client disconnected';
  const closed = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
  });
  server.server.onerror = (error) => log.warn({ error: error.message }, 'a message of the client could not be read');
  const close = () => void server.close();
  process.stdin.once('end', close);
  process.stdin.once('close', close);
  process.stdout.once('error', close);
  await server.connect(transport);
  return {
    ended: closed.then(() => outsider.leave(reason)),
    stop() {
      reason = 'its process was stopped';
      close();
    },
  };
}
