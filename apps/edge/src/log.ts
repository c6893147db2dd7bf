/** JSON lines through the runtime's console. Ids and static messages only: no text, token or header goes through here. */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export function logEvent(level: "info" | "warn" | "error", message: string, fields: LogFields) {
  // biome-ignore lint/suspicious/noConsole: the Workers runtime collects logs from the console.
  console[level](JSON.stringify({ level, service: "edge", msg: message, ...fields }));
}

/** An error's own words and those of its causes, bounded; for errors of ours and of the runtime, which quote no client. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && parts.length < 4; ) {
    parts.push(at instanceof Error ? `${at.name}: ${at.message}` : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(" <- ").slice(0, 500);
}
