import { describe, expect, it } from "vitest";
import { together, untilStopped } from "../../src/source/together.ts";

describe("work done together", () => {
  it("is begun in order, and no more of it at once than is allowed", async () => {
    const begun: number[] = [];
    let most = 0;
    let now = 0;
    await together([0, 1, 2, 3, 4, 5, 6], 3, async (item) => {
      begun.push(item);
      most = Math.max(most, ++now);
      for (let turn = 0; turn < 7 - item; turn++) await Promise.resolve();
      now -= 1;
    });
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(most).toBe(3);
  });

  it("ends with the first failure, after what was under way has ended, and begins nothing more", async () => {
    const ended: string[] = [];
    const work = together(["slow", "broken", "never"], 2, async (item, stop) => {
      if (item === "broken") throw new Error("broken");
      await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
      ended.push(item);
      throw new Error("stopped");
    });
    await expect(work).rejects.toThrow("broken");
    expect(ended).toEqual(["slow"]);
  });

  it("of nothing is done at once", async () => {
    await together([], 3, () => Promise.reject(new Error("there is nothing to do")));
  });
});

describe("what is read until it is stopped", () => {
  async function* pieces(count: number): AsyncGenerator<number> {
    for (let piece = 0; piece < count; piece++) yield piece;
  }

  it("is all there is when nobody stops it", async () => {
    const read: number[] = [];
    const { signal } = new AbortController();
    for await (const piece of untilStopped(async () => pieces(3), signal)) read.push(piece);
    expect(read).toEqual([0, 1, 2]);
  });

  it.each<[string, () => Promise<AsyncIterable<number>>]>([
    ["opens", () => new Promise(() => undefined)],
    ["is read", async () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) })],
  ])("ends though the far side is silent while it %s", async (_when, open) => {
    const stop = new AbortController();
    const read = untilStopped(open, stop.signal).next();
    setImmediate(() => stop.abort(new Error("enough")));
    await expect(read).rejects.toThrow("enough");
  });

  it("is not opened after it was stopped", async () => {
    const open = (): Promise<never> => Promise.reject(new Error("it was opened"));
    await expect(untilStopped(open, AbortSignal.abort(new Error("enough"))).next()).rejects.toThrow("enough");
  });

  it("is given back when its reader has had enough", async () => {
    let give: () => void = () => undefined;
    const given = new Promise<void>((resolve) => {
      give = resolve;
    });
    async function* watched(): AsyncGenerator<number> {
      try {
        yield* pieces(3);
      } finally {
        give();
      }
    }
    for await (const _ of untilStopped(async () => watched(), new AbortController().signal)) break;
    await given;
  });
});
