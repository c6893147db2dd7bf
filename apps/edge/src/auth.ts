/** Who is asking: API keys, resume tokens, guests, origins. Decides from the request alone; knows no session. */
import { AntiphonError } from "@antiphon/protocol";
import type { EdgeConfig } from "./config.ts";

/** A 256-bit secret for one session's client, as base64url. */
export function createResumeToken(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** How tokens and keys are stored and compared. They have 128 bits and more: no salt or stretching is needed. */
export async function hashSecret(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Takes the same time wherever two hashes differ. */
export function sameHash(one: string, other: string): boolean {
  const a = new TextEncoder().encode(one);
  const b = new TextEncoder().encode(other);
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}

export async function secretsEqual(presented: string, expected: string): Promise<boolean> {
  return sameHash(await hashSecret(presented), await hashSecret(expected));
}

/** The secret of `authorization: Bearer …`; undefined where there is none of that form. */
export function bearerOf(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  return header === null ? undefined : /^Bearer ([^\s]{1,512})$/i.exec(header)?.[1];
}

/**
 * The owner of the API key presented: its hash. Undefined: no key of ours. Every configured key is compared, so that time
 * does not tell which one came near.
 */
export async function ownerOfKey(
  presented: string,
  apiKeys: readonly string[],
): Promise<string | undefined> {
  const hash = await hashSecret(presented);
  let owner: string | undefined;
  for (const key of apiKeys) if (sameHash(hash, await hashSecret(key))) owner = hash;
  return owner;
}

/** Sessions that guests start belong to nobody: no key opens them, only their resume token. */
export const GUEST_OWNER = "guest";

/** Who may start a session: the owner it will belong to. Throws `unauthenticated`. */
export async function authenticateCreator(request: Request, config: EdgeConfig): Promise<string> {
  const presented = bearerOf(request);
  if (presented !== undefined) {
    const owner = await ownerOfKey(presented, config.apiKeys);
    if (owner !== undefined) return owner;
  } else if (config.guestMode === "loopback") {
    return GUEST_OWNER;
  }
  throw new AntiphonError(
    "unauthenticated",
    "Send a valid API key as `authorization: Bearer <key>`.",
  );
}

/**
 * Guest mode trusts whoever reaches the loopback address, so the request must be one that only this machine can make: the exact
 * Host header (DNS rebinding has another), no trace of a proxy, a body type that no plain HTML form can send.
 * Looks at the header, never at `request.url`, which an entry in front of the Worker may have rewritten.
 */
export function checkGuestRequest(request: Request, config: EdgeConfig): void {
  if (config.guestMode !== "loopback") return;
  const host = request.headers.get("host");
  if (!config.publicOrigins.some((origin) => new URL(origin).host === host)) {
    throw new AntiphonError(
      "permission_denied",
      `Open this edge at ${config.publicOrigins[0]}: it answers to no other name.`,
    );
  }
  for (const name of request.headers.keys()) {
    if (FORWARDED_HEADERS.test(name)) {
      throw new AntiphonError(
        "permission_denied",
        "Guest mode takes no forwarded requests; behind a proxy, set API_KEYS instead.",
      );
    }
  }
  if (request.method === "POST" && !isJson(request.headers.get("content-type"))) {
    throw new AntiphonError("permission_denied", "Send `content-type: application/json`.");
  }
}

/** Throws `permission_denied` for a page of another site. No Origin at all: no browser, or no page of another site. */
export function checkOrigin(request: Request, config: EdgeConfig): void {
  const origin = request.headers.get("origin");
  if (origin === null) return;
  if (ownOrigins(request, config).includes(origin)) return;
  if (config.allowedOrigins.includes(origin)) return;
  throw new AntiphonError(
    "permission_denied",
    "Pages of this origin may not use this edge; see ALLOWED_ORIGINS.",
  );
}

/** Where people reach this edge, as browsers write it. */
export function ownOrigins(request: Request, config: EdgeConfig): readonly string[] {
  return config.publicOrigins.length > 0 ? config.publicOrigins : [new URL(request.url).origin];
}

/** The one of them that this request came to: a page must be told its own host, or its policy forbids the socket. */
export function publicOriginOf(request: Request, config: EdgeConfig): string {
  const own = ownOrigins(request, config);
  const host = request.headers.get("host");
  const match = own.find((origin) => new URL(origin).host === host) ?? own[0];
  return match ?? new URL(request.url).origin;
}

/** On the loopback socket nobody stands in between, so each of these is forged. */
const FORWARDED_HEADERS = /^(forwarded|x-forwarded-.*|cf-connecting-ip|x-real-ip|true-client-ip)$/;

const isJson = (contentType: string | null) =>
  contentType !== null && /^application\/json\s*(;|$)/i.test(contentType);
