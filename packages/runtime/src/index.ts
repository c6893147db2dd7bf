/** Clock, bounded queue, abort: what every package may use, with no `node:` in it. For Node alone: `@antiphon/runtime/log` and `@antiphon/runtime/bearer`. */
export * from "./abort.ts";
export * from "./bounded-queue.ts";
export * from "./clock.ts";
