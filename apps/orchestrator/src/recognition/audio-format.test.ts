import { FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ } from "@antiphon/audio";
import * as protocol from "@antiphon/protocol";
import { expect, it } from "vitest";

it("audio and protocol agree on the one format between our processes", () => {
  expect({ FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ }).toEqual({
    FRAME_BYTES: protocol.FRAME_BYTES,
    FRAME_MS: protocol.FRAME_MS,
    FRAME_SAMPLES: protocol.FRAME_SAMPLES,
    SAMPLE_RATE_HZ: protocol.SAMPLE_RATE_HZ,
  });
});
