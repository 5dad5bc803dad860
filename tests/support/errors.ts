/** The code of the error that an action throws. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
  return 'no error';
}
