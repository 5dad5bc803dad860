export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { defaultReadingBudget, Library } from './library.ts';
export {
  literatureCache,
  memoized as remembering,
  notesRetriever,
  type OnlineOptions as OnlineSetting,
  openOnlineLibrary as openLibrary,
  type Retrievers as ReadingRoom,
  retrievers as readingRoom,
} from './openRetrievers.ts';
