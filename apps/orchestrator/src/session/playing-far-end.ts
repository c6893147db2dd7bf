/** What the listener's loudspeaker is playing, set beside what their microphone hears. Owns the common axis of time; the comparison is `@antiphon/audio`'s. */

export class PlayingFarEnd {
  sent(_pcm: Uint8Array): void {}
  heard(_frame: Int16Array, _endSample: number, _nowMs: number): void {}
  tick(_nowMs: number, _soundingSamples: number | undefined): void {}
  judge(_endSample: number): { match: number; echo: boolean } {
    return { match: 0, echo: false };
  }
}
