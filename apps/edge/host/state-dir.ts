/** The folder in which workerd keeps sessions between starts. Owns tidying it; what is in the files is workerd's. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { EDGE_WORKER, SESSION_CLASS } from "./worker-options.ts";

/**
 * Makes the folder and removes what erased sessions left: workerd empties an object's database but keeps its file of one page.
 * Only while no workerd runs on it.
 */
export async function sweepState(stateDir: string): Promise<void> {
  const folder = join(stateDir, `${EDGE_WORKER}-${SESSION_CLASS}`);
  await mkdir(folder, { recursive: true });
  const names = new Set(await readdir(folder));
  for (const name of names) {
    // What is not yet in the file itself is in the log beside it.
    if (!/^[0-9a-f]{64}\.sqlite$/.test(name) || names.has(`${name}-wal`)) continue;
    const path = join(folder, name);
    const { size } = await stat(path);
    if (size <= EMPTY_DATABASE_BYTES) await rm(path);
  }
}

/** One page: no table fits in beside the database's own header and schema. */
const EMPTY_DATABASE_BYTES = 4096;
