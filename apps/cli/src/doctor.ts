/** `antiphon doctor`: goes the way of a call step by step and says where it ends. Repairs nothing. */
import { AUDIBLE_AMPLITUDE, firstSampleAtLeast, SAMPLE_RATE_HZ } from "@antiphon/audio";
import { SocketSession } from "@antiphon/client";
import { type Command, type CommandContext, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { speak } from "./say.ts";
import { transcribeSpeech } from "./transcribe.ts";

export const doctor: Command = {
  name: "doctor",
  usage: "doctor",
  summary: "check each step of a call and say what to do about the first that fails",
  options: {},
  async run(args, context) {
    args.none();
    const findings: Findings = { spoken: [] };
    for (const step of STEPS) {
      try {
        const found = await step.check(context, findings);
        context.terminal.stdout(`✓ ${step.name}: ${found}\n`);
      } catch (reason) {
        context.signal.throwIfAborted();
        const message = reason instanceof Error ? reason.message : String(reason);
        context.terminal.stdout(`✗ ${step.name}: ${message}\n  ${step.advice}\n`);
        return EXIT_FAILED;
      }
    }
    return EXIT_OK;
  },
};

interface Step {
  name: string;
  /** What to do when it fails. */
  advice: string;
  /** Resolves with what was found, rejects with what is wrong. */
  check(context: CommandContext, findings: Findings): Promise<string>;
}

/** What one step leaves for the next. */
interface Findings {
  spoken: Int16Array[];
}

const STEPS: readonly Step[] = [
  {
    name: "Node.js",
    advice: "Use `npm start` and `npm run cli`: they bring a Node that fits.",
    async check() {
      const { node } = process.versions;
      if (Number(node.split(".")[0]) >= NODE_MAJOR_MIN) return node;
      throw new Error(`this is ${node}, ${NODE_MAJOR_MIN} or newer is needed`);
    },
  },
  {
    name: "server",
    advice:
      "Start it with `npm start`, or say where it is with --url. If it has just started, wait until it says that it is ready.",
    async check({ client }) {
      await client.health();
      return `${client.url} is healthy`;
    },
  },
  {
    name: "session",
    advice: "If the server asks for a key, give one with --api-key or ANTIPHON_API_KEY.",
    async check({ client }) {
      const { sessionId, resumeToken } = await client.createSession();
      await client.deleteSession(sessionId, resumeToken);
      return "created and ended";
    },
  },
  {
    name: "conversation",
    advice:
      "A WebSocket did not get through, or there is no voice: look at the server's own output, and at proxies on the way.",
    async check({ client, clock }) {
      const { streamUrl, ticket } = await client.createSession();
      const session = new SocketSession({ clock });
      try {
        const { voice, responder } = await session.connect({ streamUrl, ticket });
        return `the voice is ${voice}, answers come from ${responder.model ?? responder.kind}`;
      } finally {
        await session.end();
      }
    },
  },
  {
    name: "speech",
    advice: "The worker does not speak: look at its output.",
    async check(context, findings) {
      await speak(TEXT, context, { onSpeech: (frame) => findings.spoken.push(frame.slice()) });
      const { spoken } = findings;
      if (!spoken.some((frame) => firstSampleAtLeast(frame, AUDIBLE_AMPLITUDE) >= 0)) {
        throw new Error("nothing but silence was heard");
      }
      const samples = spoken.reduce((sum, frame) => sum + frame.length, 0);
      return `${(samples / SAMPLE_RATE_HZ).toFixed(1)} s heard`;
    },
  },
  {
    name: "recognition",
    advice: "The worker does not understand speech: look at its output for the recognition model.",
    async check(context, { spoken }) {
      const text = await transcribeSpeech({ frames: spoken }, context);
      if (text === "") throw new Error(`"${TEXT}" was spoken and nothing was understood`);
      return `"${TEXT}" was understood as "${text}"`;
    },
  },
];

/** Sources are TypeScript, which older ones do not run. */
const NODE_MAJOR_MIN = 24;
/** Long enough for any recogniser to be sure of. */
const TEXT = "Everything is okay, and every word is heard.";
