/** Checks the secret that a caller's `authorization` header carries. Owns the comparison, not what a refusal leads to. Node only. */
import { createHash, timingSafeEqual } from "node:crypto";

/** Whether the header's value is `Bearer SECRET`. Takes the same time whatever was sent: digests are of one length. */
export function carriesBearer(authorization: string | null | undefined, secret: string): boolean {
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${secret}`));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
