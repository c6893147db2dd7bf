/** What replies say in a bench: plain English sentences, drawn by seed. Owns words alone. */
import type { SeededRandom } from "@antiphon/runtime/testing";

/** At least this many words, in whole sentences. */
export function drawText(random: SeededRandom, wordsMin: number): string {
  const sentences: string[] = [];
  let words = 0;
  let last = -1;
  while (words < wordsMin) {
    // Not the same sentence twice in a row: what was repeated could not be told from what was said twice.
    let next = random.below(SENTENCES.length);
    if (next === last) next = (next + 1) % SENTENCES.length;
    last = next;
    const sentence = SENTENCES[next] ?? "";
    sentences.push(sentence);
    words += sentence.split(" ").length;
  }
  return sentences.join(" ");
}

const SENTENCES = [
  "The harbor was quiet in the morning, and only two fishing boats had left before the sun came up.",
  "Most visitors take the narrow path along the river, because the main road is closed in winter.",
  "A good loaf of bread needs flour, water, salt and a great deal of patience.",
  "Her grandfather built the wooden bridge with his own hands when he was nineteen years old.",
  "The museum keeps a large collection of maps, and some of them are more than four hundred years old.",
  "When the rain stops, the children run outside and look for frogs behind the garden wall.",
  "Trains to the mountains leave every hour, but the last one returns at nine in the evening.",
  "He wrote three letters to the city council before somebody finally repaired the street lamp.",
  "In spring the farmers open the gates, and the cows walk slowly up to the higher meadows.",
  "The library lends musical instruments too, from small drums to an enormous double bass.",
  "Nobody expected the old clock to work again, yet it has kept perfect time since last summer.",
  "Take the second door on the left, climb the stairs, and ask for the key at the desk.",
  "Some birds travel thousands of miles each year and still return to the very same tree.",
  "The recipe is simple: chop the onions, warm the oil, and let everything simmer for an hour.",
  "They painted the kitchen yellow, because the room gets very little light in December.",
  "A small company from the north delivers fresh milk in glass bottles twice a week.",
] as const;
