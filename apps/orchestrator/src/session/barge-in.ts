/** Speech over a reply: a pause at once, then a decision between going on and stopping. Pure: counts samples of the input, not time, and performs nothing. */
import { createVad, VAD_WINDOW_SAMPLES, type Vad } from "@antiphon/audio";
import { type InterruptionReason, SAMPLE_RATE_HZ } from "@antiphon/protocol";
import { type Backchannels, wordsOf } from "./backchannels.ts";
import type { InterruptionSettings } from "./interruption-settings.ts";

/** One window of the detector, as far as it is somebody's speech. */
export interface OverheardWindow {
  endSample: number;
  /** 0 where it was the machine's own voice. */
  probability: number;
  /** How much it was like what is being played, 0 to 1. */
  echoMatch: number;
}

/** What was said so far. */
export interface HeardText {
  text: string;
  /** Up to this sample of the input. */
  endSample: number;
  /** Of its newest words, 0 to 1. */
  confidence: number;
}

export type BargeInAction =
  | {
      kind: "pause" | "resume" | "stop";
      reason: InterruptionReason;
      /** Speech over the reply so far, pauses not counted. */
      speechMs: number;
      probability: number;
      echoMatch: number;
      text: string;
    }
  /** What was said so far is wanted, to decide on. */
  | { kind: "flush" };

/**
 * Judges one input while replies sound. A crossing of the detector pauses; from there on
 *
 * - words that are no backchannels stop, once two passes of the recogniser agree that there are some, or the sound is over;
 * - speech that lasts stops, in whatever language, unless all that was understood of it is a backchannel;
 * - a backchannel lets the reply go on as soon as it is understood, also in mid-sound; what follows it is listened to;
 * - a sound that ends without words lets it go on, and so does silence for too long.
 *
 * Belongs to one session. Every window goes through `window`, whether a reply sounds or not: speech that began before the reply did is
 * no interruption of it.
 */
export class BargeIn {
  readonly #settings: InterruptionSettings;
  readonly #backchannels: Backchannels;
  /** A window more careful than `user-turn`'s own before it says speech, and much sooner to say that it is over. */
  readonly #vad: Vad;
  #reply: { words(): string[] } | undefined;
  #phase: "watching" | "paused" | "resumed" = "watching";
  #sound: Sound = newSound(0);
  #probability = 0;
  #newestSample = 0;
  /** The input had come so far when the reply began. */
  #repliesFromSample = 0;

  constructor(settings: InterruptionSettings, backchannels: Backchannels) {
    this.#settings = settings;
    this.#backchannels = backchannels;
    this.#vad = createVad(
      settings.mode === "vad" ? {} : { minSpeechMs: PAUSE_SPEECH_MS, endSilenceMs: QUIET_MS },
    );
  }

  get paused(): boolean {
    return this.#phase === "paused";
  }

  /** A reply sounds from now on. `words` are its own that sounded last, as far as they are known. */
  begin(reply: { words(): string[] }): void {
    this.#reply = reply;
    this.#repliesFromSample = this.#newestSample;
    this.#phase = "watching";
  }

  /** It sounds no more: played to its end, or stopped. */
  end(): void {
    this.#reply = undefined;
    this.#phase = "watching";
  }

  /** Whether a turn that came to this over a reply that goes on is no turn: somebody hummed along. `fromSample`: where its speech began. */
  dismisses(text: string, fromSample = this.#newestSample): boolean {
    // What was begun before the reply was not said over it.
    if (this.#reply === undefined || fromSample < this.#repliesFromSample) return false;
    // The plain detector has let it go on without asking for words.
    if (this.#settings.mode === "vad") return true;
    return this.#wordCount(text) < this.#settings.minWords || !this.#trusted(text);
  }

  window({ endSample, probability, echoMatch }: OverheardWindow): BargeInAction | undefined {
    this.#probability = probability;
    this.#newestSample = endSample;
    const events = this.#vad.push({ endSample, probability });
    const started = events.find((event) => event.kind === "speech-started");
    const sound = this.#sound;
    if (started !== undefined) this.#begin(started.atSample, endSample);
    else if (this.#vad.speaking && this.#vad.lastSpeechSample === endSample) {
      sound.speechSamples += VAD_WINDOW_SAMPLES;
      sound.endSample = endSample;
    }
    this.#sound.echoMatch = Math.max(echoMatch, this.#sound.echoMatch);
    if (this.#reply === undefined) return undefined;
    if (started !== undefined && this.#phase !== "paused") {
      this.#phase = "paused";
      return this.#decide("pause", "speech");
    }
    if (this.#phase === "watching") return undefined;
    return this.#settings.mode === "vad" ? this.#plain(endSample) : this.#judge(endSample);
  }

  /**
   * What was said so far, up to `endSample` of the input. What covers nothing of the sound under way is not looked at.
   */
  heard({ text, endSample, confidence }: HeardText): BargeInAction | undefined {
    const sound = this.#sound;
    if (this.#reply === undefined || this.#settings.mode === "vad") return undefined;
    if (endSample < sound.startSample) return undefined;
    sound.flushing = false;
    sound.text = text;
    sound.textEndSample = endSample;
    sound.confidence = confidence;
    sound.passes++;
    if (this.#backchannels.meaningful(text).length === 0) {
      sound.wordless = true;
      if (wordsOf(text).length > 0) sound.hummed = true;
    }
    // A sound that is over is decided; its turn's end looks at its last words once more.
    if (this.#phase === "watching") return undefined;
    const words = this.#wordCount(text) >= this.#settings.minWords;
    if (!words || !this.#trusted(text)) {
      sound.passesWithWords = 0;
      sound.passEndSample = 0;
    } else if (endSample - sound.passEndSample >= samplesOf(PASS_AUDIO_MS_MIN)) {
      sound.passesWithWords++;
      sound.passEndSample = endSample;
    }
    if (words) {
      if (sound.passesWithWords >= PASSES_MIN) return this.#stop("words");
    } else if (this.#phase === "paused" && wordsOf(text).length > 0) {
      if (endSample - sound.startSample >= samplesOf(UNDERSTOOD_MS_MIN)) {
        return this.#resume(this.#ownWords(text) ? "echo" : "backchannel");
      }
    }
    return this.#afterPass();
  }

  /** No input comes that could end the pause. */
  timedOut(): BargeInAction | undefined {
    return this.#phase === "paused" ? this.#resume("timeout") : undefined;
  }

  /** Paused, or listening on after a resume, in the adaptive mode. */
  #judge(endSample: number): BargeInAction | undefined {
    const sound = this.#sound;
    const quietSamples = endSample - (this.#vad.lastSpeechSample ?? endSample);
    if (this.#vad.speaking) {
      if (this.#phase === "paused" && this.#lasted()) return this.#stop("sustained-speech");
      // The first doubtful window may be the end: what was said by then is asked for while that shows.
      if (quietSamples > 0 && sound.textEndSample < sound.endSample) return this.#flush();
      const due =
        sound.flushedSpeechSamples +
        samplesOf(sound.flushedSpeechSamples === 0 ? FIRST_FLUSH_MS : FLUSH_EVERY_MS);
      return sound.speechSamples >= due ? this.#flush() : undefined;
    }
    if (this.#phase === "resumed") {
      // Whatever follows after this is a sound of its own.
      if (quietSamples >= samplesOf(SOUND_GAP_MS)) this.#phase = "watching";
      return undefined;
    }
    // Sound that flickers about the detector's threshold is neither quiet nor speech: it holds a reply little longer than silence.
    const nothingSamples = endSample - sound.endSample - samplesOf(PAUSE_SPEECH_MS);
    if (
      Math.max(quietSamples, nothingSamples) >= samplesOf(this.#settings.falseInterruptionTimeoutMs)
    ) {
      return this.#resume("timeout");
    }
    return this.#afterPass();
  }

  /** The sound is over, and so is a pass of the recogniser: is it enough to decide? */
  #afterPass(): BargeInAction | undefined {
    const sound = this.#sound;
    if (this.#phase !== "paused" || this.#vad.speaking) return undefined;
    const last = this.#vad.lastSpeechSample ?? 0;
    const quietSamples = this.#newestSample - last;
    const understood = sound.textEndSample >= last - samplesOf(UNDERSTOOD_TAIL_MS);
    if (!understood) return this.#flush();
    if (sound.passesWithWords > 0) return this.#stop("words");
    // Neither words to rely on nor a hum: the recogniser's last word on it, a moment later, decides.
    const unsure =
      !sound.hummed && this.#wordCount(sound.text) > 0 && quietSamples < samplesOf(UNSURE_MS_MAX);
    if (unsure) return sound.textEndSample < last + samplesOf(TAIL_MS) ? this.#flush() : undefined;
    // A hum is short; so much that nobody understood may be the first half of a sentence.
    const long = sound.speechSamples >= samplesOf(LONG_SOUND_MS);
    if (long && wordsOf(sound.text).length === 0 && quietSamples < samplesOf(LONG_SOUND_QUIET_MS)) {
      return undefined;
    }
    const hummed = wordsOf(sound.text).length > 0 && this.#wordCount(sound.text) === 0;
    return this.#resume(hummed || sound.hummed ? "backchannel" : "no-words");
  }

  #flush(): BargeInAction | undefined {
    const sound = this.#sound;
    // One answer to a window: the same audio says the same again.
    if (sound.flushing || sound.flushedSample === this.#newestSample) return undefined;
    sound.flushing = true;
    sound.flushedSample = this.#newestSample;
    sound.flushedSpeechSamples = Math.max(sound.speechSamples, 1);
    return { kind: "flush" };
  }

  /** The plain detector: no words, no echo, only time. */
  #plain(endSample: number): BargeInAction | undefined {
    if (this.#phase !== "paused") {
      if (!this.#vad.speaking) this.#phase = "watching";
      return undefined;
    }
    const { startSample, endSample: last } = this.#sound;
    if (last - startSample >= samplesOf(this.#settings.minDurationMs)) {
      return this.#stop("sustained-speech");
    }
    const quiet = endSample - last >= samplesOf(this.#settings.falseInterruptionTimeoutMs);
    return quiet ? this.#resume("timeout") : undefined;
  }

  #lasted(): boolean {
    const sound = this.#sound;
    if (sound.speechSamples < samplesOf(this.#settings.minDurationMs)) return false;
    // "Yeah, yeah, yeah" may last as long as it likes; words that nobody has understood may not.
    const known = sound.textEndSample - sound.startSample >= samplesOf(UNDERSTOOD_MS_MIN);
    return !(known && wordsOf(sound.text).length > 0 && this.#wordCount(sound.text) === 0);
  }

  #begin(startSample: number, endSample: number): void {
    const gap = startSample - this.#sound.endSample;
    const speechSamples = endSample - startSample;
    if (this.#phase === "watching" || gap > samplesOf(SOUND_GAP_MS)) {
      this.#sound = newSound(startSample);
    }
    this.#sound.speechSamples += speechSamples;
    this.#sound.endSample = endSample;
  }

  #stop(reason: InterruptionReason): BargeInAction {
    const action = this.#decide("stop", reason);
    this.end();
    return action;
  }

  #resume(reason: InterruptionReason): BargeInAction | undefined {
    if (!this.#settings.resumeFalseInterruption) {
      return reason === "timeout" ? this.#stop(reason) : undefined;
    }
    this.#phase = "resumed";
    return this.#decide("resume", reason);
  }

  #decide(kind: "pause" | "resume" | "stop", reason: InterruptionReason): BargeInAction {
    const { speechSamples, echoMatch, text } = this.#sound;
    return {
      kind,
      reason,
      speechMs: (speechSamples * 1000) / SAMPLE_RATE_HZ,
      probability: this.#probability,
      echoMatch,
      text,
    };
  }

  /** Words that mean something and are not the reply's own, come back. */
  #wordCount(text: string): number {
    return this.#ownWords(text) ? 0 : this.#backchannels.meaningful(text).length;
  }

  /** Whether words of a short sound are words: half a syllable makes a recogniser guess, and it knows that it does. */
  #trusted(text: string): boolean {
    const { startSample, endSample, confidence, hummed, passes, wordless } = this.#sound;
    const lengthSamples = endSample - startSample;
    const meaningful = this.#backchannels.meaningful(text);
    if (new Set(meaningful).size >= CLEAR_WORDS_MIN) return true;
    if (lengthSamples >= samplesOf(HUM_MS_MAX)) return true;
    // "Okay, sure": more words than the hum alone. "Yeah", then "You have": another guess at the same hum.
    if (wordsOf(text).length > meaningful.length) return confidence >= BESIDE_A_HUM_CONFIDENCE_MIN;
    if (hummed) return false;
    // A hum leaves a recogniser without words in one pass or another.
    if (passes >= PASSES_WITH_WORDS && !wordless) return true;
    return confidence >= CONFIDENCE_MIN || lengthSamples >= samplesOf(UNTRUSTED_MS_MAX);
  }

  /** A transcript made of the reply's own last words, in their order: an echo that was loud enough to be understood. */
  #ownWords(text: string): boolean {
    const words = this.#backchannels.meaningful(text);
    if (words.length === 0 || this.#reply === undefined) return false;
    const common = commonInOrder(words, this.#reply.words());
    // What also sounds like what is being played may be half misheard; otherwise one word in common is a coincidence.
    return this.#sound.echoMatch >= OWN_WORD_ECHO_MIN
      ? common * 2 >= words.length
      : common === words.length && common >= OWN_WORDS_MIN;
  }
}

/** One stretch of speech over a reply; short pauses belong to it. */
interface Sound {
  startSample: number;
  /** Windows that held speech. */
  speechSamples: number;
  endSample: number;
  echoMatch: number;
  text: string;
  textEndSample: number;
  confidence: number;
  /** Some pass heard nothing but a backchannel. */
  hummed: boolean;
  /** Passes so far, and whether one of them found no words but backchannels. */
  passes: number;
  wordless: boolean;
  /** Passes of the recogniser in a row that found words. */
  passesWithWords: number;
  /** What the last of them that counts had covered. */
  passEndSample: number;
  flushing: boolean;
  flushedSample: number;
  flushedSpeechSamples: number;
}

function newSound(startSample: number): Sound {
  return {
    startSample,
    speechSamples: 0,
    endSample: startSample,
    echoMatch: 0,
    text: "",
    textEndSample: 0,
    confidence: 0,
    hummed: false,
    passes: 0,
    wordless: false,
    passesWithWords: 0,
    passEndSample: 0,
    flushing: false,
    flushedSample: 0,
    flushedSpeechSamples: 0,
  };
}

/** How many words at most stand in both, in the same order. */
function commonInOrder(said: readonly string[], own: readonly string[]): number {
  let row = new Array<number>(own.length + 1).fill(0);
  for (const word of said) {
    const next = [0];
    for (const [index, each] of own.entries()) {
      const extended = each === word ? (row[index] ?? 0) + 1 : 0;
      next.push(Math.max(extended, row[index + 1] ?? 0, next[index] ?? 0));
    }
    row = next;
  }
  return row[own.length] ?? 0;
}

function samplesOf(ms: number): number {
  return (ms * SAMPLE_RATE_HZ) / 1000;
}

/** Five windows: two more than make a turn's speech. Each more lets another cough pass, and is heard as an answer that comes later. */
const PAUSE_SPEECH_MS = 160;
/** Two windows: closures inside a word are often longer, but what was understood by then decides, not the gap. */
const QUIET_MS = 64;
/** Pauses between phrases begin at about 250 ms; somebody who starts again within this goes on. */
const SOUND_GAP_MS = 350;
/** Six windows: recognisers guess wildly at less (of nine backchannels three were understood after 150 ms, seven after 250). */
const FIRST_FLUSH_MS = 192;
/** Two windows; a pass over a second takes 25 to 60 ms of a core, and the next is asked for when one has come. */
const FLUSH_EVERY_MS = 64;
/** One pass over half a word invents words; the next seldom invents some again. */
const PASSES_MIN = 2;
/** Two passes over nearly the same audio agree for no other reason. */
const PASS_AUDIO_MS_MIN = 96;
/**
 * Of the recogniser's, over the tokens of a short sound: eleven backchannels that it misheard came to 0.35 to 0.61, and all but one of
 * nineteen short words that it understood to 0.64 and more.
 */
const CONFIDENCE_MIN = 0.62;
/**
 * Most backchannels of one word that were misheard last 320 to 530 ms; a phrase in a language that the recogniser does not know lasts 540 and
 * more. Between 530 and 560 lie 9 of 336 synthesised backchannels.
 */
const UNTRUSTED_MS_MAX = 530;
/** One more word beside a backchannel: "okay, sure" came to 0.73 and more, a misheard "yeah" ("Yeah, it") to 0.68. */
const BESIDE_A_HUM_CONFIDENCE_MIN = 0.7;
/** Of 336 synthesised backchannels one had words in each of its first three passes and no hum; of 480 recorded interruptions most do. */
const PASSES_WITH_WORDS = 3;
/** The longest "um-hum" of eight voices lasts 700 ms. */
const HUM_MS_MAX = 900;
/** The last sound of a word is quieter than the detector's threshold, and a recogniser that hears it whole is surer. */
const TAIL_MS = 100;
/** By then a pass that has the tail is there; should the last word on it be a word after all, the turn's end stops the reply. */
const UNSURE_MS_MAX = 200;
/** Coughs and hums are over sooner. */
const LONG_SOUND_MS = 480;
/** Half of the gaps inside sentences are shorter. */
const LONG_SOUND_QUIET_MS = 160;
/** So many at once are not invented. */
const CLEAR_WORDS_MIN = 3;
/** Less than this of a sound says nothing about it. */
const UNDERSTOOD_MS_MIN = 200;
/** The recogniser is given whole frames: the newest two may still be on their way. */
const UNDERSTOOD_TAIL_MS = 60;
const OWN_WORDS_MIN = 2;
/** Half alike: far above chance, and below what a room leaves of an echo. */
const OWN_WORD_ECHO_MIN = 0.5;
