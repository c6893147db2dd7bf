/** What every process agrees on, safe to import anywhere: browser, Workers, Node. RPC types are in `@antiphon/protocol/worker`. */
export * from "./antiphon-error.ts";
export * from "./data-packet.ts";
export * from "./directory-message.ts";
export * from "./edge-api.ts";
export * from "./error-map.ts";
export * from "./lease-api.ts";
export * from "./limits.ts";
export * from "./socket-frame.ts";
export * from "./socket-message.ts";
