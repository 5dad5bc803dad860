#!/usr/bin/env node
import { Command } from 'commander';
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
import { watchOutput } from './output.ts';
import { airaVersion } from './writeReport.ts';

const done = (code: number): void => {
  process.exitCode = code;
};

const program = new Command('aira')
  .description('A laboratory in which an ensemble of agents discovers neural architectures.')
  .version(airaVersion)
  .showSuggestionAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage));

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
  program.addCommand(command.copyInheritedSettings(program));
}

watchOutput(process.stdout, process.stderr);

try {
  await program.parseAsync();
} catch (thrown) {
  done(report(thrown));
}
