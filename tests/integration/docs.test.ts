/** The documents are held to the code: paths that they name exist, and the protocol's page lists every message, field and error. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  ClientMessageSchema,
  ERROR_CODES,
  ERROR_MAP,
  SESSION_STATES,
  ServerMessageSchema,
} from "@antiphon/protocol";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "THIRD_PARTY.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

describe.each(documents)("%s", (document) => {
  it("names only paths that exist", () => {
    const text = read(document);
    const named = [
      ...text.matchAll(/`((?:apps|packages|scripts|tests|docs|bench|infra)\/[\w./-]+)`/g),
      ...text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g),
    ].map((match) => match[1] ?? "");
    const from = (path: string) =>
      path.match(/^(apps|packages|scripts|tests|docs|bench|infra)\//) !== null
        ? join(ROOT, path)
        : resolve(join(ROOT, document), "..", path);
    expect(named.filter((path) => !existsSync(from(path)))).toEqual([]);
  });
});

describe("docs/PROTOCOL.md", () => {
  const text = read("docs/PROTOCOL.md");

  it("lists every message and field of the session socket", () => {
    const missing: string[] = [];
    for (const schema of [...ClientMessageSchema.options, ...ServerMessageSchema.options]) {
      const type = schema.shape.type.value;
      for (const name of [type, ...Object.keys(schema.shape).filter((key) => key !== "type")]) {
        if (!text.includes(`\`${name}\``)) missing.push(`${type}: ${name}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it("lists every error with its codes, and every state", () => {
    for (const code of ERROR_CODES) {
      const { http, close } = ERROR_MAP[code];
      expect(text).toContain(`| \`${code}\` | ${http} | ${close} |`);
    }
    for (const state of SESSION_STATES) expect(text).toContain(`\`${state}\``);
  });
});

describe("docs/ARCHITECTURE.md", () => {
  it("follows a frame through files that exist, in each part that it names", () => {
    const text = read("docs/ARCHITECTURE.md");
    const folders = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter(
      (name) => !name.includes("node_modules") && name.endsWith(".ts"),
    );
    const files = [...text.matchAll(/`(?:src\/)?((?:[\w-]+\/)*[\w-]+(?:\.worklet)?\.ts)`/g)].map(
      (match) => match[1] ?? "",
    );
    expect(files.length).toBeGreaterThan(25);
    expect(
      files.filter((file) => !folders.some((path) => path.endsWith(`/${file}`) || path === file)),
    ).toEqual([]);
  });
});
