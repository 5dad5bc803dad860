import { Command, CommanderError } from 'commander';
import { printable } from '../platform/index.ts';
import { ablateCommand } from './commands/ablate.ts';
import { auditCommand } from './commands/audit.ts';
import { dataCommand } from './commands/data.ts';
import { doctorCommand } from './commands/doctor.ts';
import { launchCommand } from './commands/launch.ts';
import { nodesCommand } from './commands/nodes.ts';
import { partCommands } from './commands/parts.ts';
import { reportCommand } from './commands/report.ts';
import { tableCommand } from './commands/table.ts';
import { taskCommand } from './commands/task.ts';
import { traceCommand } from './commands/trace.ts';
import { exitCodes, report } from './fail.ts';
import { airaVersion } from './writeReport.ts';

/** Commander repeats what it did not understand; a list of choices may be longer than that. */
const longestComplaint = 1500;

/** Settings of the program hold for its commands and for theirs: a usage error anywhere is status 2, not commander's 1. */
function settle(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const each of command.commands) settle(each, command);
}

function program(done: (code: number) => void): Command {
  const aira = new Command('aira')
    .description('A laboratory in which an ensemble of agents discovers neural architectures.')
    .version(airaVersion)
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(`${printable(text, { lines: true, width: longestComplaint }).trimEnd()}\n`),
    })
    .exitOverride();
  for (const command of [
    launchCommand(done),
    nodesCommand(done),
    reportCommand(done),
    traceCommand(done),
    auditCommand(done),
    ablateCommand(done),
    tableCommand(done),
    doctorCommand(done),
    taskCommand(done),
    dataCommand(done),
    ...partCommands(done),
  ]) {
    settle(command, aira);
    aira.addCommand(command);
  }
  return aira;
}

/** Runs one command line, without the names of node and script, and answers the exit status. Never throws. */
export async function run(args: readonly string[]): Promise<number> {
  let status: number = exitCodes.ok;
  const done = (code: number): void => {
    status = code;
  };
  try {
    await program(done).parseAsync(args, { from: 'user' });
    return status;
  } catch (thrown) {
    // Commander has said already what it did not understand; help and version are no failure.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return report(thrown);
  }
}
