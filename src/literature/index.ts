export { loadCorpus } from './corpus.ts';

export {
  memoized,
  notesRetriever,
  retrievers,
} from './openRetrievers.ts';
