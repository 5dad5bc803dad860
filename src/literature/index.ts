export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { defaultReadingBudget, type Lesson, Library, type ReadingBudget } from './library.ts';
export { notesRetriever } from './notesRetriever.ts';
export { type OnlineSetting, openLibrary } from './openLibrary.ts';
