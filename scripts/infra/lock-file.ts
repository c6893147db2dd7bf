/** One at a time among processes, by a file that names the holder. Spares double work; what must not be torn needs more than this. */
import { open, readFile, rm, stat } from "node:fs/promises";

export interface LockOptions {
  path: string;
  /** Whoever holds it for longer is passed over, as is one that has died. */
  heldMsMax: number;
  /** Once, when there is somebody to wait for. */
  onWait: () => void;
}

/** Rejects where the file cannot be made. */
export async function withLock<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
  const { path, heldMsMax, onWait } = options;
  for (let waits = 0; !(await take(path)); ) {
    if (await isAbandoned(path, heldMsMax)) {
      await rm(path, { force: true });
      continue;
    }
    if (waits++ === 0) onWait();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

async function isAbandoned(path: string, heldMsMax: number): Promise<boolean> {
  const ageMs = await stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    // Given back meanwhile: nothing to remove.
    () => 0,
  );
  if (ageMs > heldMsMax) return true;
  const pid = Number(await readFile(path, "utf8").catch(() => ""));
  // Between its making and its writing, or left by somebody who died there.
  if (!(pid > 0)) return ageMs > UNWRITTEN_MS_MAX;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // EPERM: another user's, and alive.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

const POLL_MS = 250;
const UNWRITTEN_MS_MAX = 5_000;
