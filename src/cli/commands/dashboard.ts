import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { readArchive } from '../../memory/index.ts';
import { deferred } from '../../platform/index.ts';
import { openDashboard, privateLink } from '../dashboard.ts';
import { exitCodes, onInterrupt, outliveOutput } from '../fail.ts';
import { type NatsOptions, natsOptions } from '../nats.ts';
import { numberWithin, option, pathArgument, withOptions } from '../options.ts';

/** Not registered for anything, and easy to remember; `--port` chooses another. */
const usualPort = 8240;

interface DashboardOptions extends NatsOptions {
  home?: readonly string[];
  port: number;
  host: string;
  open: 'yes' | 'no';
}

const browsers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' };

/** Opens a file in the user's browser; a machine without one shows the printed address. */
function openInBrowser(path: string): void {
  const program = browsers[process.platform];
  if (program === undefined) return;
  const browser = spawn(program, [path], { stdio: 'ignore', detached: true });
  browser.on('error', () => undefined);
  browser.unref();
}

async function dashboard(options: DashboardOptions): Promise<number> {
  const homes = options.home ?? [pathArgument('.aira')];
  const [first = ''] = homes;
  // A mistyped home is an error here; one that is damaged later is shown as such.
  for (const home of homes) readArchive(home).close();
  outliveOutput();
  const { home: _, ...nats } = options;
  const server = await openDashboard(homes, options, { ...nats, home: first });
  const stop = deferred<void>();
  const interrupts = onInterrupt(() => stop.resolve());
  process.stdout.write(`dashboard: ${server.url}\n`);
  const canOpen = options.open === 'yes' && process.stdout.isTTY;
  const link = canOpen ? privateLink(first, server.url) : null;
  if (link) openInBrowser(link.path);
  try {
    await stop.promise;
    return interrupts.code() ?? exitCodes.ok;
  } finally {
    link?.remove();
    interrupts.dispose();
    await server.close();
  }
}

export function dashboardCommand(done: (code: number) => void): Command {
  const command = new Command('dashboard')
    .description('show searches in a browser, while they run and after')
    .action(async (options: DashboardOptions) => done(await dashboard(options)));
  return withOptions(
    command,
    option('--home <dir>', 'a lab to show (default: .aira); repeatable').argParser(
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), pathArgument(text)],
    ),
    option('--port <number>', 'port of the page; 0 for a free one')
      .default(usualPort)
      .argParser(numberWithin(0, 65_535)),
    option(
      '--host <address>',
      'address to listen on; any but this machine’s own needs the token for reading too',
    ).default('127.0.0.1'),
    option('--open <choice>', 'open a browser if run at a terminal').choices(['yes', 'no']).default('yes'),
    ...natsOptions(),
  );
}
