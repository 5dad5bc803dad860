import { join, resolve } from 'node:path';

/** Where Aira is installed. `src/evaluators` and `dist/evaluators` are equally deep below it. */
export const packageRoot = resolve(import.meta.dirname, '../..');

/** Where the Python package of the trainers lies. */
export const trainersDirectory = join(packageRoot, 'gpu-workers');

/** Where Aira's own tasks lie. */
export const taskRoots: readonly string[] = [join(packageRoot, 'tasks')];
