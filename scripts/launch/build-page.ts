/** Builds the page in a process of its own, whose memory goes with it. A child of the launcher. */
import { buildPage } from "../../apps/edge/web/build.ts";

process.on("disconnect", () => process.exit(1));
try {
  await buildPage();
  process.send?.({ type: "ready" });
} catch (reason) {
  console.error(reason);
  process.exit(1);
}
