#!/usr/bin/env node
import { watchOutput } from './fail.ts';
import { run } from './run.ts';

watchOutput(process.stdout, process.stderr);

process.exitCode = await run(process.argv.slice(2));
