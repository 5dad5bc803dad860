export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { defaultReadingBudget, Library } from './library.ts';
export {
  literatureCache,
  notesRetriever,
  type OnlineSetting,
  openLibrary,
  type ReadingRoom,
  readingRoom,
  remembering,
} from './openLibrary.ts';
