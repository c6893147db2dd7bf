/** Finds where in a text somebody stopped reading aloud, from what was understood of it. Pure. */

/**
 * The index of the text's word that stands opposite the last word heard, when as much as possible of what was heard is laid along the text's
 * beginning; undefined where nothing fits.
 */
export function lastAlignedWord(
  text: readonly string[],
  heard: readonly string[],
): number | undefined {
  // row[i]: fewest edits between all that was heard so far and the first i words of the text.
  let row = Array.from({ length: text.length + 1 }, (_, index) => index);
  for (const word of heard) {
    const next = [(row[0] ?? 0) + 1];
    for (const [index, written] of text.entries()) {
      const replaced = (row[index] ?? 0) + (written === word ? 0 : 1);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  const fewest = Math.min(...row);
  if (heard.length === 0 || fewest >= heard.length) return undefined;
  // Of equally good ends the one of as many words as were heard: a word misheard is a word all the same.
  const ends = row.flatMap((edits, index) => (edits === fewest ? [index] : []));
  const best = ends.reduce((near, end) =>
    Math.abs(end - heard.length) < Math.abs(near - heard.length) ? end : near,
  );
  return best - 1;
}
