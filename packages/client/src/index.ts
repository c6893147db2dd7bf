/** The SDK: what runs in browsers, Node and Workers alike. Microphone and loudspeaker of a browser are `@antiphon/client/browser`. */
export * from "./client.ts";
export * from "./interruption-words.ts";
export type { MicrophoneUplinkStats } from "./microphone-uplink.ts";
export * from "./playout.ts";
export * from "./reply-player.ts";
export type { SessionEnd } from "./session-end.ts";
export * from "./socket.ts";
export * from "./socket-session.ts";
export { TypedEmitter } from "./typed-emitter.ts";
