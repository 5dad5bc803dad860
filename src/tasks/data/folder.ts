import { resolve } from 'node:path';

/** Where the imported data of a lab lie: absolute, since those that read them start elsewhere. */
export const dataFolder = (home: string): string => resolve(home, 'data');
