/** Who answers and what it understands, in words. Pure. */
import type { About } from "./screen-state.ts";

export function aboutWords(about: About, locale = "en"): string {
  const languages = new Intl.DisplayNames([locale], { type: "language" });
  const list = new Intl.ListFormat(locale, { type: "conjunction" });
  const understood = about.inputLanguages.map((tag) => nameOf(languages, tag));
  const parts = [
    understood.length === 0
      ? "Understands typed text only"
      : `Understands ${list.format(understood)}`,
    responderWords(about),
    `Voice ${about.voice}`,
  ];
  return parts.join(" · ");
}

function responderWords({ responder }: About): string {
  switch (responder.kind) {
    case "llm":
      return `Answers by ${responder.model ?? "a language model"}`;
    case "built-in":
      return "Answers by the built-in responder";
    case "none":
      return "Transcripts only";
  }
}

/** A tag that is none is shown as it came. */
function nameOf(languages: Intl.DisplayNames, tag: string): string {
  try {
    return languages.of(tag) ?? tag;
  } catch {
    return tag;
  }
}
