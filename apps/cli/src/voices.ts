/** `antiphon voices`: who would answer now. */
import { SocketSession } from "@antiphon/client";
import { type Command, EXIT_OK } from "./command.ts";

export const voices: Command = {
  name: "voices",
  usage: "voices",
  summary: "show the voice, the languages understood, and who answers",
  options: {},
  async run(args, { client, clock, terminal }) {
    args.none();
    const { streamUrl, ticket } = await client.createSession();
    const session = new SocketSession({ clock });
    try {
      const ready = await session.connect({ streamUrl, ticket });
      const { kind, model } = ready.responder;
      terminal.stdout(`voice: ${ready.voice}\n`);
      terminal.stdout(`understands: ${ready.inputLanguages.join(", ") || "nothing yet"}\n`);
      terminal.stdout(`answers: ${model ?? kind}\n`);
      if (ready.notice !== undefined) terminal.stdout(`${ready.notice}\n`);
    } finally {
      await session.end();
    }
    return EXIT_OK;
  },
};
