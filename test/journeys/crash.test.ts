import { beforeAll, describe, expect, it } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import { makeHost } from "../bed/journey.ts";
import { makeOldState, type OldState } from "../bed/old-state.ts";
import type { Point } from "../bed/strace.ts";
import { failAtEach, killAtEach, pointsFor } from "../bed/sweep.ts";
import { buildImages, type Images, verbs } from "../bed/verbs.ts";

const shelf = openShelf();
let images: Images;

beforeAll(async () => {
  images = await buildImages(shelf);
});

/** The tier `kill` tries all points of all verbs; here are as many as there is time for, spread over the run. */
function spread(points: readonly Point[], count: number): readonly Point[] {
  const step = Math.floor(points.length / count);
  return points.filter((_, index) => index % step === step - 1);
}

/** Where the journal, or the mark that does for one, comes and goes. */
function turns({ points }: OldState): readonly Point[] {
  return points.filter(({ call, text }) => /rename|unlink/.test(call) && text.includes(" /var/lib/keelson/journal/"));
}

const sampled = ["install", "import atomic", "update", "apply", "rollback", "uninstall", "prune"];

describe.each(verbs.filter(({ name }) => sampled.includes(name)))("$name", (verb) => {
  it("25, 59: killed at any point is done or has not been begun, and can be repeated", async () => {
    const state = await makeOldState(verb, images);
    const points = [...spread(state.points, 4), ...turns(state)];
    expect(await killAtEach(state, points)).toMatchObject({ points: points.length, broken: [] });
    expect(points.length).toBeGreaterThan(4);
  });

  it.each(["ENOSPC", "EIO"] as const)("that meets %s says so and changes nothing, or is done", async (errno) => {
    const state = await makeOldState(verb, images);
    const points = spread(pointsFor(errno, state), 2);
    expect(await failAtEach(state, points, errno)).toMatchObject({ points: points.length, broken: [] });
    expect(points.length).toBeGreaterThan(0);
  });
});

it("recover with nothing to recover says so and changes nothing", async () => {
  const host = await makeHost();
  const before = await host.snapshot();
  expect((await host.keelson("recover")).stdout).toBe("nothing to recover\n");
  await host.answer("install", "--name", "foo", images.base.reference);
  expect(await host.answer("recover")).toEqual({ recovered: null });
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});
