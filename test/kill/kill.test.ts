import { afterAll, beforeAll, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { makeOldState } from "../bed/old-state.ts";
import { killAtEach } from "../bed/sweep.ts";
import { buildImages, type Images, verbs } from "../bed/verbs.ts";
import { openTable } from "./table.ts";

const shelf = openShelf();
const table = openTable(["verb"]);
let images: Images;

beforeAll(async () => {
  images = await buildImages(shelf);
});
afterAll(() => table.print());

it.each(verbs)("25: $name, killed at any call that changes something, is done or has not been begun", async (verb) => {
  const state = await makeOldState(verb, images);
  expect(state.points.length).toBeGreaterThan(50);
  expect(table.add([verb.name], await killAtEach(state, state.points))).toEqual([]);
});
