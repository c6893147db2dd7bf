/** An HTTP server on loopback that plays an OpenAI-compatible endpoint as a test scripts it. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubEndpoint {
  url: string;
  requests: { path: string; authorization: string | undefined; body: string }[];
  /** Requests whose connection the caller ended before the answer was complete. */
  aborted: () => number;
  close(): Promise<void>;
}

/** The n-th request is answered by the n-th handler, later ones by the last. */
export async function stubEndpoint(...handlers: Handler[]): Promise<StubEndpoint> {
  const requests: StubEndpoint["requests"] = [];
  let aborted = 0;
  const server = createServer(async (request, response) => {
    const index = requests.length;
    const seen = {
      path: request.url ?? "",
      authorization: request.headers.authorization,
      body: "",
    };
    requests.push(seen);
    response.on("close", () => {
      if (!response.writableEnded) aborted += 1;
    });
    for await (const part of request) seen.body += String(part);
    handlers[Math.min(index, handlers.length - 1)]?.(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    aborted: () => aborted,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export type Handler = (response: ServerResponse, request: IncomingMessage) => void;

/** Streams the tokens, then ends as told: properly, without a word, or by breaking the connection. */
export function tokens(texts: string[], end: "finished" | "silent" | "broken" | "open"): Handler {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const text of texts)
      response.write(event({ delta: { content: text }, finish_reason: null }));
    if (end === "finished") {
      response.write(event({ delta: {}, finish_reason: "stop" }));
      response.end("data: [DONE]\n\n");
    }
    if (end === "silent") response.end();
    // After the tokens have left, so that the reader sees them first.
    if (end === "broken")
      response.write(": soon\n\n", () => setTimeout(() => response.destroy(), 20));
  };
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };

export const silence: Handler = () => {};
export const hangUp: Handler = (response) => response.destroy();

const event = (choice: object) =>
  `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, ...choice }] })}\n\n`;
