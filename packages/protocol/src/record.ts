/** The session record and its JSON form (protobuf JSON mapping, so that edge and orchestrator need one definition). */
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { AntiphonError } from "./antiphon-error.ts";
import { type SessionRecord, SessionRecordSchema } from "./gen/antiphon/v1/session_pb.ts";

export * from "./gen/antiphon/v1/session_pb.ts";

/** Throws `invalid_argument` for anything that is no record; unknown fields are kept out, so that versions N and N−1 mix. */
export function recordFromJson(json: unknown): SessionRecord {
  try {
    return fromJson(SessionRecordSchema, json as JsonValue, { ignoreUnknownFields: true });
  } catch (cause) {
    throw new AntiphonError("invalid_argument", "Not a session record.", { cause });
  }
}

/** Default values are written out: a reader in any language sees every field. */
export function recordToJson(record: SessionRecord): JsonValue {
  return toJson(SessionRecordSchema, record, { alwaysEmitImplicit: true });
}
