/** RPC between our Node processes: generated types, error conversion, beat signatures. */
export * from "./connect-error.ts";
export * from "./gen/antiphon/v1/asr_pb.ts";
export * from "./gen/antiphon/v1/audio_pb.ts";
export * from "./gen/antiphon/v1/model_pb.ts";
export * from "./gen/antiphon/v1/tts_pb.ts";
export * from "./gen/antiphon/v1/worker_pb.ts";
export {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "./gen/grpc/health/v1/health_pb.ts";
export * from "./worker-beat.ts";
