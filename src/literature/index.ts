export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { defaultReadingBudget, Library } from './library.ts';
export {
  literatureCache,
  memoized,
  notesRetriever,
  type OnlineOptions,
  openOnlineLibrary,
  type Retrievers,
  retrievers,
} from './openRetrievers.ts';
