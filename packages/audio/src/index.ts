export * from "./audio-format.ts";
