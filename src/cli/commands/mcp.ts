import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { limitsFor, roleConnections, tokensOf } from '../../actors/index.ts';
import { embeddedUrl } from '../../bus/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { AgentName, SearchId } from '../../domain/ids.ts';
import { privateHome } from '../../memory/index.ts';
import { keptSecret, newToken } from '../../platform/index.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import {
  agentArgument,
  homeOption,
  offlineOption,
  option,
  portNumber,
  searchArgument,
  withOptions,
} from '../options.ts';
import { type NatsOptions, natsOptions, partOptions, unseparated } from '../setting.ts';
import { airaVersion } from './setup.ts';

interface McpOptions extends NatsOptions {
  home: string;
  offline?: boolean;
  http?: boolean;
  httpPort?: number;
}

/** The file of the bearer token of an agent's server: created once, so that a client's configuration outlives the server. */
const tokenPath = (home: string, search: SearchId, name: AgentName) => join(home, 'mcp', `${search}.${name}.token`);

/** Serves one agent to a client on stdin and stdout, or over HTTP on loopback; what people read goes to stderr. */
async function serve(search: SearchId, name: AgentName, options: McpOptions): Promise<number> {
  if (options.httpPort !== undefined && !options.http) {
    throw new PrerequisiteError('usage', '--http-port is of --http', 'add --http, or remove --http-port');
  }
  outliveOutput();
  const { home, url: given, access, ackWaitMs, ...setting } = partOptions(options);
  const url = given ?? embeddedUrl(home);
  if (url === null) {
    throw new PrerequisiteError(
      'nats-url',
      `no lab runs in ${home}`,
      'launch the search first, or give --home or --nats of the lab',
    );
  }
  privateHome(home);
  const { clock, log, timers, openRetriever } = setting;
  const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
  // Loaded on demand: the SDK takes longer to load than most commands take to run.
  const { Outsider, serveOverHttp, serveOverStdio } = await import('../../mcp/index.ts');
  const overHttp = async (outsider: Parameters<typeof serveOverHttp>[0], path: string, port: number) => {
    const secret = keptSecret(path, newToken);
    const service = await serveOverHttp(outsider, { token: secret, port, version: airaVersion, log });
    process.stderr.write(`${name} of ${search} at ${service.url}; its bearer token is in ${path}\n`);
    return service;
  };
  try {
    const bus = await buses.open('agent');
    if (!(await bus.separatesRoles())) process.stderr.write(`${unseparated(url)}\n`);
    const token = tokensOf(home)(search, name);
    const outsider = new Outsider({ search, name, token, bus, openRetriever, timers, log });
    const service = options.http
      ? await overHttp(outsider, tokenPath(home, search, name), options.httpPort ?? 0)
      : await serveOverStdio(outsider, airaVersion, log);
    const interrupts = onInterrupt(service.stop);
    await service.ended;
    interrupts.dispose();
    return interrupts.code() ?? exitCodes.ok;
  } finally {
    setting.closeReading();
    await buses.close();
  }
}

export function mcpCommand(done: (code: number) => void): Command {
  const command = new Command('mcp')
    .description('serve an agent of a search to a coding agent, by the Model Context Protocol')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .addArgument(
      new Argument('<agent>', 'an agent of the search file with model: outside/mcp').argParser(agentArgument),
    )
    .action(async (search: SearchId, name: AgentName, options: McpOptions) => done(await serve(search, name, options)));
  return withOptions(
    command,
    homeOption(),
    ...natsOptions(),
    offlineOption(),
    option('--http', 'serve clients on this machine over Streamable HTTP instead of stdio'),
    option('--http-port <number>', 'with --http: port on 127.0.0.1 (default: any free port)').argParser(portNumber),
  );
}
