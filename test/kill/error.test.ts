import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { makeOldState } from "../bed/old-state.ts";
import { fillUp } from "../bed/small-disk.ts";
import { failAtEach, pointsFor } from "../bed/sweep.ts";
import { buildImages, type Images, verbs } from "../bed/verbs.ts";
import { openTable } from "./table.ts";

const shelf = openShelf();
const table = openTable(["verb", "error"]);
let images: Images;

beforeAll(async () => {
  images = await buildImages(shelf);
});
afterAll(() => table.print());

describe.each(verbs)("$name", (verb) => {
  it.each(["ENOSPC", "EIO"] as const)("that meets %s at any call says so or is done nevertheless", async (errno) => {
    const state = await makeOldState(verb, images);
    expect(table.add([verb.name, errno], await failAtEach(state, pointsFor(errno, state), errno))).toEqual([]);
  });

  it.each(["bytes", "inodes"] as const)("on a file system that runs out of %s says so or is done", async (room) => {
    const state = await makeOldState(verb, images);
    expect(table.add([verb.name, `no ${room} left`], await fillUp(state, room))).toEqual([]);
  });
});
