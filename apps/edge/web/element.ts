/** Elements of the page by id, of the kind that was expected: a typo fails at the start, by name. */

export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id) as unknown;
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${kind.name} #${id}.`);
}
