export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { defaultReadingBudget, Library } from './library.ts';
export { notesRetriever } from './notesRetriever.ts';
export { type OnlineSetting, openLibrary } from './openLibrary.ts';
export { literatureCache, type ReadingRoom, readingRoom } from './readingRoom.ts';
