import { describe, expect, it } from "vitest";
import { Conversation } from "./conversation.ts";

describe("a conversation", () => {
  it("makes one entry of what one side said in a row", () => {
    const conversation = new Conversation();
    conversation.addAssistant("Welcome.", false);
    conversation.addAssistant("Please hold", true);
    conversation.addUser("Hello?");
    conversation.addUser("Anybody?");
    expect(conversation.entries).toEqual([
      { role: "assistant", text: "Welcome. Please hold", interrupted: true },
      { role: "user", text: "Hello? Anybody?", interrupted: false },
    ]);
  });

  it("knows nothing of a reply that was not heard: the turns around it become one", () => {
    const conversation = new Conversation();
    conversation.addUser("One");
    conversation.addAssistant("", true);
    conversation.addUser("and two");
    expect(conversation.entries.map((entry) => entry.text)).toEqual(["One and two"]);
  });

  it("goes on with a predecessor's history, without changing it", () => {
    const before = [{ role: "user" as const, text: "Hello", interrupted: false }];
    const conversation = new Conversation(before);
    conversation.addUser("again");
    expect(conversation.entries[0]?.text).toBe("Hello again");
    expect(before[0]?.text).toBe("Hello");
  });

  it("forgets its oldest entries beyond 400", () => {
    const conversation = new Conversation();
    for (let turn = 0; turn < 300; turn++) {
      conversation.addUser(`u${turn}`);
      conversation.addAssistant(`a${turn}`, false);
    }
    expect(conversation.entries).toHaveLength(400);
    expect(conversation.entries[0]?.text).toBe("u100");
  });

  it("is bounded in its words, also where all of them are one person's", () => {
    const conversation = new Conversation();
    for (let turn = 0; turn < 30; turn++) conversation.addUser("word ".repeat(2_000).trim());
    conversation.addUser("last");
    const [entry] = conversation.entries;
    expect(entry?.text.length).toBeLessThanOrEqual(120_000);
    expect(entry?.text.startsWith("word ")).toBe(true);
    expect(entry?.text.endsWith("word last")).toBe(true);
  });
});
