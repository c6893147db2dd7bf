/** A voice activity detector that reads its probabilities from the simulated microphone, in a thread of its own that may be late. Owns windows and their delay. */
import { VAD_WINDOW_SAMPLES } from "@antiphon/audio";
import type {
  VadStream,
  VadWindow,
  VoiceActivityDetector,
} from "../../apps/orchestrator/src/session/ports.ts";
import type { Draw } from "./draw.ts";
import { micFrameOf } from "./mic-code.ts";
import type { Party } from "./virtual-clock.ts";
import type { Weather } from "./weather.ts";

export interface CodedDetectorOptions {
  /** The orchestrator's loop, where answers arrive. */
  party: Party;
  draw: Draw;
  weather: Weather;
  /** Just before the session gets it. */
  onWindow(window: VadWindow): void;
  /** The session has had it. */
  onJudged(window: VadWindow): void;
}

export class CodedDetector implements VoiceActivityDetector {
  readonly #options: CodedDetectorOptions;
  /** Streams that were not closed. */
  openStreams = 0;

  constructor(options: CodedDetectorOptions) {
    this.#options = options;
  }

  open(onWindow: (window: VadWindow) => void): VadStream {
    const { party, draw, weather } = this.#options;
    let pushed = 0;
    let ready = 0;
    /** Of the window under way. */
    let loudest = 0;
    let closed = false;
    let windows: VadWindow[] = [];
    let waiting = false;
    this.openStreams++;
    const judge = () => {
      waiting = false;
      for (const window of windows.splice(0)) {
        if (closed) return;
        this.#options.onWindow(window);
        onWindow(window);
        this.#options.onJudged(window);
      }
    };
    return {
      push: (frame) => {
        const { probability } = micFrameOf(frame);
        pushed += frame.length;
        loudest = Math.max(loudest, probability);
        while (pushed - ready >= VAD_WINDOW_SAMPLES) {
          ready += VAD_WINDOW_SAMPLES;
          windows.push({ endSample: ready, probability: Math.max(0.02, loudest) });
          loudest = pushed > ready ? probability : 0;
        }
        if (waiting || windows.length === 0) return;
        waiting = true;
        const lateMs = weather.strikes(draw, 0.002) ? draw.between(50, 900) : 0;
        party.setTimer(draw.between(0, 10) + lateMs, judge);
      },
      close: () => {
        if (closed) return;
        closed = true;
        windows = [];
        this.openStreams--;
      },
    };
  }
}
