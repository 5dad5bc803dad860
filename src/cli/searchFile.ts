import { type SearchFile, searchFileSchema } from '../domain/search.ts';
import { type ReadFile, readYamlFile } from './yamlFile.ts';

export type ReadSearchFile = ReadFile<SearchFile>;

/** @throws PrerequisiteError naming every mistake of the file. */
export function readSearchFile(path: string): ReadSearchFile {
  return readYamlFile(path, searchFileSchema, 'search');
}
