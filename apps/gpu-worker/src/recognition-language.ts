/** Which recogniser understands which language. Owns the comparison of language tags, no list of languages. */

/** "en-US" is understood by "en", and "en" by "en-GB": the primary subtag decides, region and script do not. */
export function languageMatches(wanted: string, offered: string): boolean {
  return primarySubtag(wanted) === primarySubtag(offered);
}

function primarySubtag(tag: string): string {
  return (tag.split(/[-_]/, 1)[0] ?? "").toLowerCase();
}
