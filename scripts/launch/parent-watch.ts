/** Notices that whoever started this process is gone. A SIGKILL tells nobody, so the parent's id is looked at. */

import { env } from "node:process";

/** Calls `onGone` once, at most a quarter of a second after the parent's end. Keeps no process alive. */
export function watchParent(onGone: () => void): void {
  const parent = Number(env["ANTIPHON_PARENT_PID"]) || process.ppid;
  delete env["ANTIPHON_PARENT_PID"];
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, POLL_INTERVAL_MS);
  timer.unref();
}

const POLL_INTERVAL_MS = 250;
