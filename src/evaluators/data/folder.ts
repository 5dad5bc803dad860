import { join } from 'node:path';

/** Where the imported data of a lab lie. */
export const dataFolder = (home: string): string => join(home, 'data');
