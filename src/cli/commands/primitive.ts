import { Command } from 'commander';
import { askPrimitives, primitiveFolders } from '../../evaluators/index.ts';
import { findPython, printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { pathArgument, primitivesOption, withOptions } from '../options.ts';

interface PrimitiveOptions {
  primitives?: readonly string[];
}

async function ask(args: readonly string[], folders: readonly string[]): Promise<number> {
  process.stdout.write(printable(await askPrimitives(await findPython(), folders, args), { lines: true }));
  return exitCodes.ok;
}

/** Primitives of the user. Python finds and validates them; this passes its answer on. */
export function primitiveCommand(done: (code: number) => void): Command {
  const check = new Command('check')
    .description('validate the file of one primitive: gradients, causality, decoding, formulas')
    .argument('<file>', 'a Python file; its name is the primitive’s', pathArgument)
    .action(async (file: string) => done(await ask(['check', file], [])));
  const ls = new Command('ls')
    .description('list the primitives that searches here can use')
    .action(async (options: PrimitiveOptions) => done(await ask(['list'], primitiveFolders(options.primitives ?? []))));
  return new Command('primitive')
    .description('layers of your own')
    .addCommand(check)
    .addCommand(withOptions(ls, primitivesOption()));
}
