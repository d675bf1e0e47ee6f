import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openRoot } from "../../src/host/root.ts";
import { runAsWriter, type WriterPlaces } from "../../src/host/session.ts";
import { openSystemd } from "../../src/host/systemd.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { storePaths } from "../../src/store/store.ts";
import { pinDown } from "../bed/mount.ts";
import { scratchDirectory } from "../bed/scratch.ts";

interface Session extends WriterPlaces {
  readonly said: readonly string[];
  /** Makes a file, and the directories it is in, below the state directory. */
  put(path: string): string;
}

function openSession(): Session {
  const root = scratchDirectory();
  const state = "/var/lib/keelson";
  const paths = storePaths(join(root, state));
  const said: string[] = [];
  return {
    paths,
    said,
    host: {
      root: openRoot(root),
      systemd: openSystemd(root, hostPlaces),
      journal: `${state}/journal/transaction`,
      deployments: `${state}/deployments`,
      repository: `${state}/repo`,
      watch: async () => {},
    },
    wait: false,
    signal: new AbortController().signal,
    keep: 2,
    say: (text) => void said.push(text),
    put(path) {
      const place = join(paths.state, path);
      mkdirSync(join(place, ".."), { recursive: true });
      writeFileSync(place, "{}");
      return place;
    },
  };
}

it("what was staged for the store when a command was cut short is gone before the next one begins", async () => {
  const session = openSession();
  const staged = session.put("repo/tmp/staging/00/1.file");
  await runAsWriter("test", session, async () => expect(existsSync(staged)).toBe(false));
});

it("deployments beyond those kept go only where an update has marked their container", async () => {
  const session = openSession();
  for (const name of ["foo", "bar"]) {
    for (const number of [1, 2, 3]) session.put(`deployments/${name}/${number}/deployment.json`);
    symlinkSync("3", join(session.paths.deployments, name, "current"));
  }
  session.put("deployments/foo/unswept");
  await runAsWriter("test", session, async () => {});
  const left = (name: string): readonly string[] => readdirSync(join(session.paths.deployments, name)).sort();
  expect([left("foo"), left("bar")]).toEqual([
    ["2", "3", "current"],
    ["1", "2", "3", "current"],
  ]);
});

it("what cannot be cleared away afterwards is said, and is no failure of what was done", async () => {
  const session = openSession();
  const stuck = join(session.paths.deployments, "gone");
  const done = runAsWriter("test", session, async () => {
    mkdirSync(stuck, { recursive: true });
    pinDown(stuck);
    return "done";
  });
  expect(await done).toBe("done");
  const why = `EBUSY: resource busy or locked, rmdir '${stuck}'`;
  expect(session.said).toEqual([`something that is no longer needed could not be removed: ${why}`]);
});

it("and it does not stand in for the error of what failed", async () => {
  const session = openSession();
  const stuck = join(session.paths.deployments, "gone");
  const done = runAsWriter("test", session, async () => {
    mkdirSync(stuck, { recursive: true });
    pinDown(stuck);
    throw new Error("the reason");
  });
  await expect(done).rejects.toThrow("the reason");
});
