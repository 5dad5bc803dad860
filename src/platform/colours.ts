import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

export const noColours: Colours = pc.createColors(false);

/** Colours on terminals only: pipes, files and CI logs get plain text. NO_COLOR and FORCE_COLOR (not empty) override, NO_COLOR first. */
export function coloursFor(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Colours {
  if (environment.NO_COLOR) return noColours;
  return pc.createColors(Boolean(environment.FORCE_COLOR) || (stream.isTTY === true && environment.TERM !== 'dumb'));
}
