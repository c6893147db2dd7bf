/** A browser's microphone as 20 ms frames of 48 kHz mono s16. Owns the device and its audio nodes; sends nothing anywhere. */
import {
  MICROPHONE_CLOSE,
  MICROPHONE_PROCESSOR,
  type MicrophoneBlock,
} from "./microphone-block.ts";

export interface MicrophoneOptions {
  /** The one that plays, running. */
  context: AudioContext;
  /** Where the bundler put `microphone.worklet.ts`. */
  workletUrl: string;
  /** Once every 20 ms. The block is the receiver's. */
  onBlock: (block: MicrophoneBlock) => void;
  /** The device went away: unplugged, or taken back by the person. */
  onEnded: () => void;
  /** Gives up; a device granted later is released at once. */
  signal: AbortSignal;
}

/** An open microphone; `close` releases the device and its "in use" mark. */
export interface Microphone {
  /** As the browser names it; empty when it does not. */
  readonly label: string;
  /** Idempotent. No block comes after it. */
  close(): void;
}

/** Why there is none. Expected, so a value: `refused` by person or policy, `missing` or `busy` device. */
export type MicrophoneProblem = "insecure" | "refused" | "missing" | "busy" | "failed" | "aborted";

export type MicrophoneResult =
  | { kind: "open"; microphone: Microphone }
  | { kind: "none"; problem: MicrophoneProblem; cause?: unknown };

/**
 * Asks for the microphone and begins to listen. Waits for the person's answer for as long as they take: only `signal`
 * ends the question.
 */
export async function openMicrophone(options: MicrophoneOptions): Promise<MicrophoneResult> {
  // Outside https and localhost browsers have no mediaDevices at all.
  const devices: MediaDevices | undefined = globalThis.navigator?.mediaDevices;
  if (devices?.getUserMedia === undefined) return { kind: "none", problem: "insecure" };
  let stream: MediaStream | undefined;
  try {
    stream = await devices.getUserMedia({ audio: CONSTRAINTS, video: false });
    if (options.signal.aborted) {
      release(stream);
      return { kind: "none", problem: "aborted" };
    }
    return { kind: "open", microphone: await listen(stream, options) };
  } catch (cause) {
    if (stream !== undefined) release(stream);
    return { kind: "none", problem: microphoneProblem(cause), cause };
  }
}

/** What a rejected `getUserMedia` means for the person. */
export function microphoneProblem(cause: unknown): MicrophoneProblem {
  const name = typeof cause === "object" && cause !== null && "name" in cause ? cause.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "failed";
  }
}

async function listen(stream: MediaStream, options: MicrophoneOptions): Promise<Microphone> {
  const { source, ownContext } = connectStream(stream, options.context);
  const context = ownContext ?? options.context;
  try {
    await context.audioWorklet.addModule(options.workletUrl);
  } catch (cause) {
    await ownContext?.close();
    throw cause;
  }
  const node = new AudioWorkletNode(context, MICROPHONE_PROCESSOR, {
    numberOfInputs: 1,
    numberOfOutputs: 0,
  });
  node.port.onmessage = (event: MessageEvent<MicrophoneBlock>) => options.onBlock(event.data);
  source.connect(node);
  const [track] = stream.getAudioTracks();
  track?.addEventListener("ended", options.onEnded);
  let closed = false;
  return {
    label: track?.label ?? "",
    close() {
      if (closed) return;
      closed = true;
      track?.removeEventListener("ended", options.onEnded);
      node.port.onmessage = null;
      node.port.postMessage(MICROPHONE_CLOSE);
      source.disconnect();
      release(stream);
      void ownContext?.close();
    },
  };
}

/**
 * Firefox refuses a stream whose device runs at another rate than the context. Such a device gets a context of its own, at
 * its own rate, and the processor resamples.
 */
function connectStream(
  stream: MediaStream,
  context: AudioContext,
): { source: MediaStreamAudioSourceNode; ownContext: AudioContext | undefined } {
  try {
    return { source: context.createMediaStreamSource(stream), ownContext: undefined };
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotSupportedError") throw error;
    const ownContext = new AudioContext({ latencyHint: "interactive" });
    return { source: ownContext.createMediaStreamSource(stream), ownContext };
  }
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** Echo cancellation lets people talk without headphones: without it the machine hears, and interrupts, itself. */
const CONSTRAINTS: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};
