/** That a real LiveKit can be had here, as every test over LiveKit needs it: keys, ports, a crash, a restart, nothing left. */
import { createServer } from "node:net";
import { RoomServiceClient } from "livekit-server-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LivekitServer, livekitMissing, startLivekit } from "../support/livekit.ts";
import { isAlive } from "../support/processes.ts";

describe.skipIf(livekitMissing)("a real livekit-server", () => {
  let server: LivekitServer;
  beforeAll(async () => {
    server = await startLivekit();
  });
  afterAll(() => server?.stop());

  it("makes rooms for who has the key, and for nobody else", async () => {
    const rooms = new RoomServiceClient(server.httpUrl, server.apiKey, server.apiSecret);
    const { maxParticipants, emptyTimeout } = await rooms.createRoom({ name: "r-1" });
    expect({ maxParticipants, emptyTimeout }).toEqual({ maxParticipants: 6, emptyTimeout: 60 });
    expect((await rooms.listRooms()).map(({ name }) => name)).toEqual(["r-1"]);
    const stranger = new RoomServiceClient(server.httpUrl, server.apiKey, "x".repeat(64));
    await expect(stranger.listRooms()).rejects.toMatchObject({ status: 401 });
  });

  it("comes back after a crash, on the same ports with the same key, and without its rooms", async () => {
    const before = server.pid;
    await server.kill();
    expect(isAlive(before)).toBe(false);
    await expect(fetch(server.httpUrl)).rejects.toThrow();
    await server.restart();
    expect(server.pid).not.toBe(before);
    const rooms = new RoomServiceClient(server.httpUrl, server.apiKey, server.apiSecret);
    expect(await rooms.listRooms()).toEqual([]);
  });

  it("stands beside another one", async () => {
    const other = await startLivekit();
    try {
      const rooms = new RoomServiceClient(other.httpUrl, other.apiKey, other.apiSecret);
      await rooms.createRoom({ name: "r-2" });
      const ours = new RoomServiceClient(server.httpUrl, server.apiKey, server.apiSecret);
      expect(await ours.listRooms()).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it("leaves no process and no port behind", async () => {
    const { pid, ports } = server;
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(await Promise.all([ports.http, ports.tcp].map(isFree))).toEqual([true, true]);
  });
});

function isFree(port: number): Promise<boolean> {
  const socket = createServer();
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    socket.listen(port, () => socket.close(() => resolve(true)));
  });
}
