/** Microphone and loudspeaker of a browser. Their worklets are `@antiphon/client/microphone.worklet` and `…/player.worklet`: hand your bundler's URL of them in. */
export * from "./microphone.ts";
export type { MicrophoneBlock } from "./microphone-block.ts";
export * from "./player.ts";
export type { PlayerBlock } from "./player-message.ts";
