/** Which phones of what was spoken stand for which of what was expected. Pure; knows no model's phones. */

/**
 * For each spoken phone the index of the expected one it stands for, by edit distance; one that is missing costs 1, `difference`
 * says what one costs that stands for another. A phone nobody expected has no partner, or that of the phone before it.
 */
export function alignPhones(
  spoken: readonly string[],
  expected: readonly string[],
  difference: (spoken: string, expected: string) => number,
): Array<number | undefined> {
  const width = expected.length + 1;
  const costs = new Float64Array((spoken.length + 1) * width);
  for (let column = 1; column < width; column++) costs[column] = column;
  for (let row = 1; row <= spoken.length; row++) {
    costs[row * width] = row;
    for (let column = 1; column < width; column++) {
      const here = row * width + column;
      costs[here] = Math.min(
        costs[here - width - 1] + difference(spoken[row - 1], expected[column - 1]),
        costs[here - width] + 1,
        costs[here - 1] + 1,
      );
    }
  }
  const partners = new Array<number | undefined>(spoken.length).fill(undefined);
  let row = spoken.length;
  let column = expected.length;
  while (row > 0) {
    const here = row * width + column;
    const change = column > 0 ? difference(spoken[row - 1], expected[column - 1]) : 0;
    if (column > 0 && costs[here] === costs[here - width - 1] + change) {
      row--;
      column--;
      partners[row] = column;
    } else if (column > 0 && costs[here] === costs[here - 1] + 1) {
      column--;
    } else {
      row--;
      partners[row] = column > 0 ? column - 1 : undefined;
    }
  }
  return partners;
}
