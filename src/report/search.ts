import { type ReportData, reportPage } from '../views/index.ts';
import { pageHtml } from './document.ts';

/** The report of a search as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const reportHtml = (data: ReportData): Promise<string> => pageHtml(reportPage(data));
