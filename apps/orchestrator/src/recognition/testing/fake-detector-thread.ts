/** A detector's thread that a test answers for. Never imported by product code. */
import { EventEmitter } from "node:events";
import type { DetectorReply, DetectorRequest } from "../silero-message.ts";

export class FakeDetectorThread extends EventEmitter {
  readonly requests: DetectorRequest[] = [];
  unreferenced = false;

  postMessage(request: DetectorRequest): void {
    this.requests.push(request);
  }

  unref(): void {
    this.unreferenced = true;
  }

  reply(reply: DetectorReply): void {
    this.emit("message", reply);
  }

  /** Answers the oldest messages with these windows: input, end, probability. */
  answer(answered: number, windows: Array<[number, number, number]> = []): void {
    this.reply({
      kind: "windows",
      answered,
      streamIds: windows.map(([streamId]) => streamId),
      endSamples: windows.map(([, endSample]) => endSample),
      probabilities: windows.map(([, , probability]) => probability),
    });
  }

  die(reason: Error): void {
    this.emit("error", reason);
    this.emit("exit", 1);
  }
}
