import { Command } from 'commander';
import { examineMachine } from '../../evaluators/index.ts';
import { coloursFor, jsonLine, printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, withOptions } from '../options.ts';

const colours = coloursFor(process.stdout);

async function doctor(options: { home: string; json?: boolean }): Promise<number> {
  const checks = await examineMachine({ home: options.home });
  for (const check of checks) {
    if (options.json) {
      process.stdout.write(`${jsonLine(check)}\n`);
      continue;
    }
    const mark = check.ok ? colours.green('ok  ') : colours.red('no  ');
    process.stdout.write(`${mark} ${check.name.padEnd(16)} ${printable(check.detail)}\n`);
    if (!check.ok && check.remedy) process.stdout.write(`     ${colours.dim('remedy:')} ${printable(check.remedy)}\n`);
  }
  return checks.every((check) => check.ok) ? exitCodes.ok : exitCodes.usage;
}

export function doctorCommand(done: (code: number) => void): Command {
  const command = new Command('doctor')
    .description('check this machine: programs, libraries, speed, disk space')
    .action(async (options: { home: string; json?: boolean }) => done(await doctor(options)));
  return withOptions(command, homeOption(), jsonOption());
}
