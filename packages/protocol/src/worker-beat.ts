/** Signs and checks worker beats. Owns the signature, not what a beat means. Node only. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AntiphonError } from "./antiphon-error.ts";
import {
  type BeatRequest,
  BeatRequestSchema,
  type WorkerBeat,
  WorkerBeatSchema,
} from "./gen/antiphon/v1/worker_pb.ts";

/** Serialises a beat and signs the bytes with the pool's secret. */
export function signBeat(beat: WorkerBeat, secret: string): BeatRequest {
  const bytes = toBinary(WorkerBeatSchema, beat);
  return create(BeatRequestSchema, { beat: bytes, signature: beatSignature(bytes, secret) });
}

/** Returns the beat, or throws `permission_denied` for a wrong signature and `invalid_argument` for bytes that are no beat. */
export function openBeat(request: BeatRequest, secret: string): WorkerBeat {
  const expected = beatSignature(request.beat, secret);
  const given = Buffer.from(request.signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new AntiphonError(
      "permission_denied",
      "The beat's signature does not match the pool's secret.",
    );
  }
  try {
    return fromBinary(WorkerBeatSchema, request.beat);
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "The beat cannot be read.", { cause });
  }
}

function beatSignature(bytes: Uint8Array, secret: string): Buffer<ArrayBuffer> {
  return createHmac("sha256", secret).update(bytes).digest() as Buffer<ArrayBuffer>;
}
