import { Command, CommanderError } from 'commander';
import { printable } from '../platform/index.ts';
import { ablateCommand } from './commands/ablate.ts';
import { auditCommand } from './commands/audit.ts';
import { backupCommands, importCommand } from './commands/copies.ts';
import { credentialsCommand } from './commands/credentials.ts';
import { dashboardCommand } from './commands/dashboard.ts';
import { dataCommand } from './commands/data.ts';
import { doctorCommand } from './commands/doctor.ts';
import { exportCommand } from './commands/export.ts';
import { launchCommand } from './commands/launch.ts';
import { mcpCommand } from './commands/mcp.ts';
import { initCommand, primitiveCommand, scaffoldCommand, taskCommand } from './commands/ownParts.ts';
import { agentCommand, archiveCommand } from './commands/parts.ts';
import { reportCommand } from './commands/report.ts';
import { scaleCommand } from './commands/scale.ts';
import { setupCommand, versionLine } from './commands/setup.ts';
import { lsCommand, nodesCommand, showCommand } from './commands/show.ts';
import { tableCommand } from './commands/table.ts';
import { traceCommand } from './commands/trace.ts';
import { workerCommand } from './commands/worker.ts';
import { exitCodes, report } from './fail.ts';

/** Commander quotes unknown input and lists the choices, which may be long. */
const maxUsageErrorChars = 1500;

/** Copies settings to nested commands, so that every usage error exits with status 2 instead of commander's 1. */
function copySettings(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const each of command.commands) copySettings(each, command);
}

function program(done: (code: number) => void): Command {
  const aira = new Command('aira')
    .description('Searches for neural architectures with an ensemble of agents.')
    .option('-V, --version', 'print the version of Aira, its commit and its evaluators')
    .showSuggestionAfterError()
    // `archive` and `doctor` have options that their subcommands have too: what follows a subcommand is its own.
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(`${printable(text, { lines: true, width: maxUsageErrorChars }).trimEnd()}\n`),
    })
    .exitOverride();
  for (const command of [
    launchCommand(done),
    dashboardCommand(done),
    lsCommand(done),
    initCommand(done),
    nodesCommand(done),
    showCommand(done),
    reportCommand(done),
    traceCommand(done),
    auditCommand(done),
    ablateCommand(done),
    scaleCommand(done),
    exportCommand(done),
    importCommand(done),
    tableCommand(done),
    setupCommand(done),
    doctorCommand(done),
    taskCommand(done),
    primitiveCommand(done),
    scaffoldCommand(done),
    dataCommand(done),
    ...backupCommands(done),
    archiveCommand(done),
    workerCommand(done),
    agentCommand(done),
    credentialsCommand(done),
    mcpCommand(done),
  ]) {
    copySettings(command, aira);
    aira.addCommand(command);
  }
  return aira;
}

/** Runs one command line (without node and script) and returns the exit status. Never throws. */
export async function run(args: readonly string[]): Promise<number> {
  // Not commander's own `version`, which takes the text at every start: the commit costs a process.
  if (args.length === 1 && ['-V', '--version'].includes(args[0] ?? '')) {
    process.stdout.write(`${await versionLine()}\n`);
    return exitCodes.ok;
  }
  let status: number = exitCodes.ok;
  const done = (code: number): void => {
    status = code;
  };
  try {
    await program(done).parseAsync(args, { from: 'user' });
    return status;
  } catch (thrown) {
    // Commander has already printed its usage error; help and version are not errors.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return report(thrown);
  }
}
