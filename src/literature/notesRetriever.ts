import type { OpenRetriever } from '../domain/literature.ts';
import type { Logger } from '../platform/log.ts';
import { corpusDirectory, loadCorpus } from './corpus.ts';
import { Library } from './library.ts';

/**
 * Reading for those who need nothing but Aira's own notes: no network, no key, no file but the notes. They are read when
 * the first thought opens them.
 *
 * @throws PrerequisiteError `corpus-malformed`, when first opened.
 */
export function notesRetriever(log: Logger, directory: string = corpusDirectory): OpenRetriever {
  let library: Library | undefined;
  return (occasion) => {
    library ??= new Library({ corpus: loadCorpus(directory), log });
    return library.open(occasion);
  };
}
