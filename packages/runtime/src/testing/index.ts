/** Fakes for tests: never imported by product code. */
export * from "./fake-clock.ts";
export * from "./seeded-random.ts";
