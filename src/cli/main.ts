#!/usr/bin/env node
import { exitCodes } from './fail.ts';
import { run } from './run.ts';

// A pipe that is closed by its reader, as with `| head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

process.exitCode = await run(process.argv.slice(2));
