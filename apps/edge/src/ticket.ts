/** Tickets: who may open one session's socket, once, within seconds. Signs and verifies; spending them is the session object's. */
import { AntiphonError, TICKET_TTL_SECONDS } from "@antiphon/protocol";
import { jwtVerify, SignJWT } from "jose";

export interface Ticket {
  sessionId: string;
  /** Spent at its first use. */
  ticketId: string;
  expiresAtMs: number;
}

export async function signTicket(options: {
  sessionId: string;
  secret: string;
  nowMs: number;
}): Promise<{ ticket: string; expiresAtMs: number }> {
  const issuedAt = Math.floor(options.nowMs / 1000);
  const expiresAt = issuedAt + TICKET_TTL_SECONDS;
  const ticket = await new SignJWT({ sid: options.sessionId })
    .setProtectedHeader({ alg: ALGORITHM })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setJti(crypto.randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(keyOf(options.secret));
  return { ticket, expiresAtMs: expiresAt * 1000 };
}

/** Throws `unauthenticated` for whatever is no valid ticket of ours, without saying why. */
export async function verifyTicket(
  ticket: string,
  options: { secret: string; nowMs: number },
): Promise<Ticket> {
  try {
    const { payload } = await jwtVerify(ticket, keyOf(options.secret), {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ["sid", "jti", "exp", "iat"],
      // A ticket signed for longer than the limit is refused too.
      maxTokenAge: TICKET_TTL_SECONDS,
      currentDate: new Date(options.nowMs),
    });
    const { sid, jti, exp } = payload;
    if (typeof sid !== "string" || jti === undefined || jti === "" || exp === undefined) {
      throw new Error("claims of another form");
    }
    return { sessionId: sid, ticketId: jti, expiresAtMs: exp * 1000 };
  } catch (cause) {
    throw new AntiphonError("unauthenticated", "The ticket is not valid; ask for a new one.", {
      cause,
    });
  }
}

const keyOf = (secret: string) => new TextEncoder().encode(secret);

const ALGORITHM = "HS256";
const ISSUER = "antiphon";
/** Room tokens and whatever else is signed later is for others, and no ticket. */
const AUDIENCE = "edge";
