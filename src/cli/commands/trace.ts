import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { type AgentName, agentNameSchema, type SearchId } from '../../domain/ids.ts';
import { readArchive } from '../../memory/archive.ts';
import { storyHtml, storyOf, storyText } from '../../report/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, searchArgument, withOptions } from '../options.ts';

interface TraceOptions {
  home: string;
  json?: boolean;
  html?: boolean;
}

/** Writes a page into the reports of a home, and answers where it is. */
function writePage(home: string, name: string, text: string): string {
  const folder = join(home, 'reports');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.html`);
  // Renamed into place, so that a reader never sees half a page.
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
  return path;
}

async function trace(search: SearchId, agent: AgentName | undefined, options: TraceOptions): Promise<number> {
  const reader = readArchive(options.home);
  try {
    const story = storyOf(reader, search, agent ?? null);
    if (options.html) {
      const path = writePage(options.home, `${search}-trace${agent ? `-${agent}` : ''}`, storyHtml(story));
      process.stdout.write(options.json ? `${JSON.stringify({ event: 'page', v: 1, path })}\n` : `trace: ${path}\n`);
    } else if (options.json) {
      for (const { steps, ...self } of story.agents) {
        process.stdout.write(`${JSON.stringify({ event: 'agent', v: 1, ...self })}\n`);
        for (const step of steps) {
          process.stdout.write(`${JSON.stringify({ event: 'step', v: 1, agent: self.agent, ...step })}\n`);
        }
      }
    } else process.stdout.write(`${storyText(story)}\n`);
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function traceCommand(done: (code: number) => void): Command {
  const command = new Command('trace')
    .description('tell why each agent did what it did: what it knew, chose, read, changed, expected, and learned')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .addArgument(new Argument('[agent]', 'one of its agents').argParser((text: string) => agentNameSchema.parse(text)))
    .action(async (search: SearchId, agent: AgentName | undefined, options: TraceOptions) =>
      done(await trace(search, agent, options)),
    );
  return withOptions(
    command,
    homeOption(),
    jsonOption(),
    option('--html', 'write a page with the tree of each agent, its operators, and how far it explored'),
  );
}
