/** Variables by which LangChain's libraries decide to send what passes through them to a tracing service. */
const tracing = ['LANGSMITH_TRACING', 'LANGSMITH_TRACING_V2', 'LANGCHAIN_TRACING', 'LANGCHAIN_TRACING_V2'] as const;

/** Prompts and answers stay in this process, whatever other programs on this machine want traced (I7). */
export function switchOffTracing(environment: Record<string, string | undefined>): void {
  for (const name of tracing) delete environment[name];
}
