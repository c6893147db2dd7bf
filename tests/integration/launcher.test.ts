import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { familyOf, isAlive } from "../support/processes.ts";
import { freePort, type Stack, startStack } from "../support/stack.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let stacks: Stack[] = [];
afterEach(async () => {
  for (const stack of stacks.splice(0)) await stack.stop();
});

async function start(options: Parameters<typeof startStack>[0] = {}): Promise<Stack> {
  const stack = await startStack(options);
  stacks = [...stacks, stack];
  return stack;
}

const health = async (url: string) => (await fetch(`${url}/healthz`)).status;

describe("two stacks side by side", () => {
  it("answer on their own ports, know nothing of each other, and leave nothing behind", async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.said()).toContain(`Antiphon is ready`);
    expect([await health(one.url), await health(two.url)]).toEqual([200, 200]);
    const page = await fetch(one.url);
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("text/html"),
    ]);
    const family = familyOf(one.pids["launcher"] ?? 0);
    await one.stop();
    expect(family.filter(isAlive)).toEqual([]);
    expect(await health(two.url)).toBe(200);
  });
});

describe("a port that is taken", () => {
  it("is said in words, at once, with a way out", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await expect(startStack({ port })).rejects.toThrow(
      new RegExp(`left with 2:[^]*Port ${port} is taken[^]*--port ${port + 1}`),
    );
    server.close();
  });
});

describe("arguments that make no sense", () => {
  it.each([[["--prot", "1"]], [["--port", "many"]]])(
    "%j are refused with the usage",
    async (args) => {
      const child = spawn(process.execPath, ["scripts/start.ts", ...args], { cwd: ROOT });
      let said = "";
      child.stderr.on("data", (chunk) => {
        said += chunk;
      });
      const [code] = await once(child, "close");
      expect([code, said]).toEqual([2, expect.stringContaining("Usage: npm start")]);
    },
  );
});

describe("a service that crashes", () => {
  it("is started again, and the others find it", async () => {
    const stack = await start();
    for (const name of ["worker", "orchestrator"]) {
      const before = stack.pids[name] ?? 0;
      process.kill(before, "SIGKILL");
      await vi.waitFor(() => expect(stack.pids[name]).not.toBe(before), WAIT);
      await vi.waitFor(async () => expect(await health(stack.url)).toBe(200), WAIT);
      expect(stack.said()).toMatch(
        new RegExp(`\\[${name}\\] was ended by SIGKILL; starting it again`),
      );
    }
  });

  it("again and again is given up, in words, and everything ends", async () => {
    const stack = await start();
    const family = familyOf(stack.pids["launcher"] ?? 0);
    const exited = once(stack.launcher, "exit");
    for (let crash = 0; crash < 4; crash++) {
      const before = stack.pids["worker"] ?? 0;
      process.kill(before, "SIGKILL");
      if (crash < 3) await vi.waitFor(() => expect(stack.pids["worker"]).not.toBe(before), WAIT);
    }
    const [code] = await exited;
    expect([code, family.filter(isAlive)]).toEqual([1, []]);
    expect(stack.said()).toContain("The worker was ended by SIGKILL. It did so 4 times");
  });

  it("and is the edge ends everything, in words", async () => {
    const stack = await start();
    const family = familyOf(stack.pids["launcher"] ?? 0);
    process.kill(stack.pids["edge"] ?? 0, "SIGKILL");
    const [code] = await once(stack.launcher, "exit");
    expect([code, family.filter(isAlive)]).toEqual([1, []]);
    expect(stack.said()).toContain("Without it nobody can call");
  });
});

describe("whatever ends the start", () => {
  // As a person starts it: npm, the bootstrap, the launcher, its services, and what they start.
  const npm = async () => {
    const port = await freePort();
    const child = spawn("npm", ["start", "--", "--port", String(port)], {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LLM_DISCOVERY: "off" },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        said += chunk;
      });
    }
    await vi.waitFor(() => expect(said).toContain("Antiphon is ready"), {
      timeout: 90_000,
      interval: 100,
    });
    const family = familyOf(child.pid ?? 0);
    // npm, bootstrap, launcher, orchestrator, worker with two models, edge host, workerd.
    expect(family.length).toBeGreaterThanOrEqual(8);
    return { pid: child.pid ?? 0, family };
  };

  it.each<[string, "npm" | "bootstrap" | "launcher" | "group", NodeJS.Signals]>([
    ["Ctrl-C", "group", "SIGINT"],
    ["SIGTERM to npm", "npm", "SIGTERM"],
    ["SIGINT to npm", "npm", "SIGINT"],
    ["SIGKILL of npm", "npm", "SIGKILL"],
    ["SIGKILL of the bootstrap", "bootstrap", "SIGKILL"],
    ["SIGTERM to the bootstrap", "bootstrap", "SIGTERM"],
    ["SIGKILL of the launcher", "launcher", "SIGKILL"],
  ])("%s leaves no process behind", async (_, whom, signal) => {
    const { pid, family } = await npm();
    const [, bootstrap = 0] = family;
    const launcher = familyOf(bootstrap)[1] ?? 0;
    process.kill({ npm: pid, group: -pid, bootstrap, launcher }[whom], signal);
    try {
      await vi.waitFor(() => expect(family.filter(isAlive)).toEqual([]), WAIT);
    } finally {
      for (const member of family.filter(isAlive)) process.kill(member, "SIGKILL");
    }
  });

  it("during the start, too", async () => {
    const child = spawn("npm", ["start", "--", "--port", String(await freePort())], {
      cwd: ROOT,
      detached: true,
      stdio: "ignore",
    });
    const family = new Set<number>();
    const watch = () => {
      for (const member of familyOf(child.pid ?? 0)) family.add(member);
      return family.size;
    };
    await vi.waitFor(() => expect(watch()).toBeGreaterThanOrEqual(6), {
      timeout: 30_000,
      interval: 20,
    });
    process.kill(child.pid ?? 0, "SIGKILL");
    await vi.waitFor(() => expect([...family].filter(isAlive)).toEqual([]), WAIT);
  });
});

/** The slowest way out is a service that has to be killed. */
const WAIT = { timeout: 20_000, interval: 50 };
