/** Clock, bounded queue, abort: what every package may use, with no `node:` in it. Logging is `@antiphon/runtime/log`. */
export * from "./abort.ts";
export * from "./bounded-queue.ts";
export * from "./clock.ts";
