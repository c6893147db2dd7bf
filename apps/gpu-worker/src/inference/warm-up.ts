/** What a model says first. */

/** The first run of a model is the slowest, several times over. This one is not measured. */
export const FIRST_TEXT = "Yes.";

/** About a second of plain English: vowels and consonants enough to judge the voice's loudness by, short enough for a slow model. */
export const WARM_UP_TEXT = "Hello, how are you today?";
