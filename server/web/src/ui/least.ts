/** Whether a text is long enough, counted as the server counts: characters, not the halves of rare ones. */

export interface Lack {
  /** How many characters there are; the blanks around them do not count. */
  have: number;
  least: number;
}

export function lackOf(text: string, least: number): Lack | null {
  const have = [...text.trim()].length;
  return have < least ? { have, least } : null;
}
