/** How the page is bundled: plain files with hashed names, nothing inline, so that the content security policy holds. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "./",
  publicDir: here("./public"),
  worker: { format: "iife" },
  build: {
    outDir: here("../dist/page"),
    emptyOutDir: true,
    target: "es2023",
    // An inlined worklet would be a data: URL, which the policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
