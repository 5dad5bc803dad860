import { Command } from 'commander';
import { PrerequisiteError } from '../../domain/errors.ts';
import { type Check, examineMachine, scaleVersion } from '../../evaluators/index.ts';
import { coloursFor, jsonLine, printable } from '../../platform/index.ts';
import { examineWorker } from '../doctorWorker.ts';
import { exitCodes } from '../fail.ts';
import { type NatsOptions, natsOptions } from '../nats.ts';
import { homeOption, jsonOption, option, pathArgument, withOptions } from '../options.ts';
import { partOptions } from '../setting.ts';

interface Options extends NatsOptions {
  home: string;
  json?: boolean;
  storage?: string;
}

const colours = coloursFor(process.stdout);

function show(checks: readonly Check[], json: boolean | undefined): number {
  for (const check of checks) {
    if (json) {
      process.stdout.write(`${jsonLine(check)}\n`);
      continue;
    }
    const mark = check.ok ? colours.green('ok  ') : colours.red('no  ');
    process.stdout.write(`${mark} ${check.name.padEnd(16)} ${printable(check.detail)}\n`);
    if (!check.ok && check.remedy) process.stdout.write(`     ${colours.dim('remedy:')} ${printable(check.remedy)}\n`);
  }
  return checks.every((check) => check.ok) ? exitCodes.ok : exitCodes.usage;
}

/** `<evaluator> on <device>` of the check of the trainer. */
const evaluatorsOf = (checks: readonly Check[]): string[] =>
  checks.flatMap(({ name, ok, detail }) => (name === 'trainer' && ok ? [detail.split(' on ')[0] ?? ''] : []));

async function doctorWorker(options: Options): Promise<number> {
  const { url, access, home, ackWaitMs, clock, closeReading, log } = partOptions(options);
  closeReading();
  if (url === null) {
    const message = 'the check of a worker needs the address of its NATS server';
    throw new PrerequisiteError('nats-url', message, 'give --nats, or set NATS_URL');
  }
  const machine = await examineMachine({ home, trainsOnly: true });
  const { storage = null } = options;
  const evaluators = [...evaluatorsOf(machine), scaleVersion()];
  return show(
    [...machine, ...(await examineWorker({ url, access, home, storage, evaluators, ackWaitMs, clock, log }))],
    options.json,
  );
}

export function doctorCommand(done: (code: number) => void): Command {
  const command = new Command('doctor')
    .description('check this machine: programs, libraries, speed, disk space')
    .action(async ({ home, json }: Options) => done(show(await examineMachine({ home }), json)));
  const worker = new Command('worker')
    .description('check this machine as a worker of a lab elsewhere: address, TLS, credential, GPU, clock, evaluator')
    .action(async (options: Options) => done(await doctorWorker(options)));
  const storage = option('--storage <dir>', 'folder for checkpoints of runs at scale').argParser(pathArgument);
  command.addCommand(withOptions(worker, homeOption(), ...natsOptions(), storage, jsonOption()));
  return withOptions(command, homeOption(), jsonOption());
}
